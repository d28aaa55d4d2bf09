# A person's afternoon by Python's imaplib: folders, letters, searches, flags, moves; Chinese throughout.
# Called with host, port, user and password; any surprise is an exception, so exit code 1.
import base64
import imaplib
import ssl
import sys
import time

host, port, user, password = sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4]
imaplib.Debug = 0


def utf7(name):
    out = ""
    run = ""
    for char in name + "\0":
        if char != "\0" and not 0x20 <= ord(char) <= 0x7E:
            run += char
            continue
        if run:
            out += "&" + base64.b64encode(run.encode("utf-16-be")).decode().rstrip("=").replace("/", ",") + "-"
            run = ""
        out += "&-" if char == "&" else char.replace("\0", "")
    return out


def want(answer, status="OK"):
    assert answer[0] == status, answer
    return answer[1]


def letter(subject, body):
    word = "=?utf-8?B?" + base64.b64encode(subject.encode()).decode() + "?="
    lines = [
        "From: =?utf-8?B?" + base64.b64encode("王".encode()).decode() + "?= <wang@test.com>",
        "To: " + user,
        "Subject: " + word,
        "MIME-Version: 1.0",
        "Content-Type: text/plain; charset=utf-8",
        "Content-Transfer-Encoding: 8bit",
        "",
        body,
        "",
    ]
    return "\r\n".join(lines).encode()


context = ssl.create_default_context()
context.check_hostname = False
context.verify_mode = ssl.CERT_NONE

with imaplib.IMAP4(host, port) as m:
    want(m.starttls(context))
    assert "STARTTLS" not in m.capabilities
    want(m.login(user, password))
    folder = '"' + utf7("工作/项目 & 计划") + '"'
    want(m.create(folder))
    assert want(m.list('""', '"*"'))
    names = b"\n".join(line for line in want(m.list()) if line)
    assert folder.encode() in names, names

    letters = [letter("雁字 %d" % n, "第 %d 封" % n) for n in range(20)]
    when = imaplib.Time2Internaldate(time.time() - 86400)
    for n, text in enumerate(letters):
        want(m.append(folder, r"(\Seen)" if n % 2 else None, when, text))
    assert want(m.select(folder)) == [b"20"]
    assert want(m.uid("FETCH", "8", "(RFC822)"))[0][1] == letters[7]

    m.literal = "雁字 1".encode()
    found = want(m.uid("SEARCH", "CHARSET", "UTF-8", "SUBJECT"))[0].split()
    assert len(found) == 11, found
    m.literal = "第 7 封".encode()
    assert want(m.search("UTF-8", "BODY"))[0] == b"8"
    assert want(m.search(None, "UNSEEN"))[0].split() == [b"%d" % n for n in range(1, 20, 2)]
    assert len(want(m.search(None, "SINCE", time.strftime("%d-%b-%Y", time.gmtime(time.time() - 3 * 86400))))[0].split()) == 20

    want(m.store("1:3", "+FLAGS", r"(\Flagged $Forwarded)"))
    assert want(m.search(None, "KEYWORD", "$Forwarded"))[0] == b"1 2 3"
    want(m.copy("1:2", "Archive"))
    want(m.uid("MOVE", "3", "Archive"))
    want(m.store("1", "+FLAGS", r"(\Deleted)"))
    assert want(m.expunge())[-1] == b"1"
    assert b"MESSAGES 18" in want(m.status(folder, "(MESSAGES UIDNEXT)"))[0]
    assert b"MESSAGES 3" in want(m.status("Archive", "(MESSAGES)"))[0]

    structure = want(m.fetch("1", "(UID FLAGS INTERNALDATE BODYSTRUCTURE ENVELOPE)"))[0]
    assert b'"TEXT" "PLAIN"' in structure.upper(), structure
    part = want(m.fetch("1", "(BODY.PEEK[TEXT]<2.4>)"))[0]
    assert part[1] == letters[1].split(b"\r\n\r\n", 1)[1][2:6], part

    want(m.close())
    want(m.rename(folder, '"' + utf7("旧信") + '"'))
    want(m.subscribe('"' + utf7("旧信") + '"'))
    assert utf7("旧信").encode() in b"\n".join(line for line in want(m.lsub()) if line)
    quota = m.getquotaroot("INBOX")
    assert quota[0] == "OK", quota

# The same account with names in UTF-8 (RFC 6855).
with imaplib.IMAP4(host, port) as m:
    want(m.starttls(context))
    want(m.authenticate("PLAIN", lambda _: ("\0%s\0%s" % (user, password)).encode()))
    want(m.enable("UTF8=ACCEPT"))
    want(m.create('"问候"'))
    names = b"\n".join(line for line in want(m.list()) if line)
    assert "问候".encode() in names and "旧信".encode() in names, names
    want(m.append('"问候"', None, None, letter("你好", "世界")))
    assert want(m.select('"问候"')) == [b"1"]
    assert want(m.search(None, 'SUBJECT "你好"'))[0] == b"1"
    want(m.unselect())
    want(m.delete('"问候"'))
print("done")
