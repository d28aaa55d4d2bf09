// What is said to people, in the languages of LANG (RFC 6856 §3). The English text is the key.
// Promises: a text that has no translation is said in English.

export const languages = { en: 'English', zh: '中文' } as const
export type Language = keyof typeof languages

/** RFC 4647 §3.4 lookup: `zh-Hans-CN` finds zh. Undefined where there is none. */
export function languageFor(tag: string): Language | undefined {
  const primary = tag.toLowerCase().split('-', 1)[0] ?? ''
  return Object.keys(languages).find((language): language is Language => language === primary)
}

const chinese: Readonly<Record<string, string>> = {
  'unknown command': '未知命令',
  'not in this state': '当前状态下不能使用此命令',
  'wrong arguments': '参数错误',
  'command line too long': '命令行过长',
  'too many bad commands': '错误命令过多',
  'too many failed log-ins': '登录失败次数过多',
  'too many connections, try again later': '连接过多，请稍后再试',
  'the server is shutting down, try again later': '服务器正在关闭，请稍后再试',
  'no command came in time': '长时间没有收到命令',
  'this account was changed by an administrator': '管理员更改了此帐户',
  'internal error, try again later': '内部错误，请稍后再试',
  'no such message': '没有这封邮件',
  'another session has this mailbox open': '另一个会话正在使用此邮箱',
  'nothing may follow STLS before the TLS handshake': 'STLS 之后、TLS 握手之前不得发送其他内容',
  'use STLS first: passwords are not taken in clear text': '请先使用 STLS：不接受明文密码',
  'log-in cancelled': '登录已取消',
  'the response is not base64': '响应不是 base64',
  'authentication mechanism not offered': '不提供此认证机制',
  'wrong name or password': '用户名或密码错误',
  'nobody acts for somebody else here': '不能代表他人登录',
  'the node that keeps this mailbox can not be reached now': '暂时无法连接到保存此邮箱的节点',
  'language not offered': '不提供此语言',
  'USER comes first': '请先发送 USER',
  'TLS is active already': 'TLS 已启用',
  'password, please': '请发送密码',
  'UTF-8 it is': '已启用 UTF-8',
  'begin TLS': '开始 TLS',
  'still here': '在线',
  bye: '再见',
  capabilities: '功能列表',
  mechanisms: '认证机制',
  languages: '语言列表',
  'unique ids': '唯一标识列表',
  'top of message': '邮件开头',
}

const chinesePatterns: readonly [RegExp, string][] = [
  [/^(\d+) messages \((\d+) octets\)$/, '$1 封邮件（$2 字节）'],
  [/^(\d+) octets$/, '$1 字节'],
  [/^message (\d+) goes at QUIT$/, '第 $1 封邮件将在 QUIT 时删除'],
  [/^bye, (\d+) messages left$/, '再见，还有 $1 封邮件'],
  [/^too many failed log-ins, try again in (\d+) s$/, '登录失败次数过多，请 $1 秒后再试'],
  [/^(\d+) deleted messages not removed$/, '$1 封标记删除的邮件未能删除'],
  [/^this mailbox is served by (.*)$/, '此邮箱由 $1 提供服务'],
  [/^nothing was deleted: (.*)$/, '没有删除任何邮件：$1'],
]

export function inLanguage(text: string, language: Language): string {
  if (language === 'en') return text
  const whole = chinese[text]
  if (whole !== undefined) return whole
  for (const [pattern, translation] of chinesePatterns)
    if (pattern.test(text)) return text.replace(pattern, translation)
  return text
}
