# A person's letters by Python's poplib: TLS, list, unique ids, read, delete; ids stay what they were; Chinese throughout.
# Called with host, port, user, password and how many letters wait; leaves half of them.
import email
import email.policy
import poplib
import ssl
import sys

host, port, user, password, count = sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4], int(sys.argv[5])
context = ssl.create_default_context()
context.check_hostname = False
context.verify_mode = ssl.CERT_NONE


def login():
    m = poplib.POP3(host, port, timeout=20)
    assert "STLS" in m.capa()
    m.stls(context)
    m.utf8()
    m.user(user)
    m.pass_(password)
    return m


def uids(m):
    return [line.split()[1] for line in m.uidl()[1]]


m = login()
capabilities = m.capa()
for name in ("UIDL", "TOP", "PIPELINING", "UTF8", "IMPLEMENTATION"):
    assert name in capabilities, capabilities
messages, octets = m.stat()
assert messages == count, messages
sizes = [int(line.split()[1]) for line in m.list()[1]]
assert sum(sizes) == octets and len(sizes) == count
first = uids(m)
assert len(set(first)) == count
for number in (1, count):
    _, lines, size = m.retr(number)
    text = b"\r\n".join(lines) + b"\r\n"
    assert len(text) == sizes[number - 1], (len(text), sizes[number - 1])
    parsed = email.message_from_bytes(text, policy=email.policy.default)
    assert parsed["Subject"] == "信 %d" % (number - 1), parsed["Subject"]
    body = parsed.get_content()
    assert body.splitlines() == ["第 %d 封。" % (number - 1), ".", ".."], body
    top = m.top(number, 1)[1]
    assert top == lines[: len(top)] and lines[len(top) :], top
for number in range(1, count // 2 + 1):
    m.dele(number)
assert m.stat()[0] == count - count // 2
m.rset()
assert m.stat()[0] == count
for number in range(1, count // 2 + 1):
    m.dele(number)
# Without QUIT nothing goes.
m.close()

m = login()
assert uids(m) == first
for number in range(1, count // 2 + 1):
    m.dele(number)
m.quit()

m = login()
assert uids(m) == first[count // 2 :]
assert m.uidl(1).split()[2] == first[count // 2]
m.quit()
print("done")
