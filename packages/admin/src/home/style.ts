// The look of the page at `/`: one small sheet, light and dark, phone and desktop; nothing fetched from anywhere.

export const homeStyle = `
:root{color-scheme:light dark;--ground:#f6f4ef;--card:#fffdf9;--ink:#23282d;--soft:#666d74;--line:#e3ded3;--accent:#1f6f78;--on-accent:#fff;--sky:#dfeaea}
@media (prefers-color-scheme:dark){:root{--ground:#14181b;--card:#1c2226;--ink:#e9e6df;--soft:#9aa3a9;--line:#2f373c;--accent:#6fc3c4;--on-accent:#0c1a1c;--sky:#1b2a2e}}
*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%}
body{margin:0;background:var(--ground);color:var(--ink);font:1rem/1.6 system-ui,-apple-system,"Segoe UI","PingFang SC","Hiragino Sans GB","Microsoft YaHei","Noto Sans CJK SC","Noto Sans SC",sans-serif}
header{background:var(--sky);padding:2.2rem 1.25rem 3.6rem}
main{max-width:46rem;margin:0 auto}
.head{max-width:43.5rem;margin:0 auto}
.bar{display:flex;align-items:center;gap:.75rem}
.bar svg{width:4rem;height:auto;color:var(--accent);flex:none}
h1{font-size:1.75rem;line-height:1.2;margin:0;letter-spacing:-.01em;overflow-wrap:anywhere}
.bar a{margin-left:auto;color:var(--accent);text-decoration:none;padding:.35rem .7rem;border-radius:.5rem;white-space:nowrap}
a:hover,summary:hover{text-decoration:underline}
.lead{margin:.9rem 0 0;max-width:38rem;text-wrap:pretty}
main{padding:0 1.25rem 1.2rem;margin-top:-2rem}
section{background:var(--card);border:1px solid var(--line);border-radius:.9rem;padding:1.35rem 1.4rem;margin:0 0 1.1rem}
h2{font-size:1.15rem;margin:0 0 .4rem}
p{margin:.2rem 0 .9rem}
.soft{color:var(--soft);font-size:.9rem;margin:.5rem 0 0}
form{display:grid;grid-template-columns:1fr auto;gap:.35rem .6rem;align-items:end}
label{grid-column:1/-1;font-size:.9rem;color:var(--soft)}
input{font:inherit;width:100%;min-width:0;padding:.55rem .75rem;border:1px solid var(--soft);border-radius:.55rem;background:var(--ground);color:inherit}
button{font:inherit;font-weight:600;padding:.6rem 1rem;border:1px solid transparent;border-radius:.55rem;background:var(--accent);color:var(--on-accent);cursor:pointer}
:focus-visible{outline:3px solid var(--accent);outline-offset:2px}
dl{margin:1.1rem 0 0;display:grid;grid-template-columns:auto 1fr;gap:.35rem 1.1rem}
dt{font-weight:600}
dd{margin:0;color:var(--soft)}
table{width:100%;border-collapse:collapse;margin-top:.6rem}
th,td{text-align:left;padding:.5rem .6rem .5rem 0;border-top:1px solid var(--line);vertical-align:top}
thead th{border-top:0;font-size:.85rem;color:var(--soft);font-weight:500;padding-bottom:.2rem}
tbody th{font-weight:500}
td.host{font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;font-size:.92em;overflow-wrap:anywhere}
details{margin-top:1rem}
summary{cursor:pointer;color:var(--accent)}
footer{text-align:center;color:var(--soft);font-size:.88rem;padding:0 1rem 2.5rem}
@media (max-width:36rem){
header{padding:1.5rem 1.1rem 3.2rem}
main{padding:0 .8rem 1.5rem}
h1{font-size:1.4rem}
section{padding:1.1rem 1rem}
form{grid-template-columns:1fr;gap:.5rem}
dl{grid-template-columns:1fr;gap:0}
dd{margin-bottom:.6rem}
thead{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%)}
tbody tr{display:grid;grid-template-columns:1fr auto auto;gap:0 .8rem;border-top:1px solid var(--line);padding:.5rem 0}
tbody th,tbody td{border:0;padding:0}
tbody th{grid-column:1/-1;color:var(--soft);font-size:.85rem}
}
`
