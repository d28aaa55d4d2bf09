// What the small page at `/` says, in each of its languages.

export interface HomeWords {
  htmlLanguage: string
  otherLanguage: { code: string; name: string }
  title: string
  lead: (node: string, region: string) => string
  setUpTitle: string
  setUpText: string
  addressLabel: string
  appleButton: string
  appleNote: string
  clients: { name: string; text: string }[]
  serversTitle: string
  serversNote: string
  othersTitle: string
  columns: { purpose: string; server: string; port: string; security: string }
  purposes: { imap: string; pop3: string; smtp: string }
  securities: { tls: string; starttls: string }
  userName: string
  footer: string
}

const english: HomeWords = {
  htmlLanguage: 'en',
  otherLanguage: { code: 'zh', name: '中文' },
  title: 'Mail',
  lead: (node, region) =>
    `This is ${node}${region === '' ? '' : ` in ${region}`}, one node of a Skein mesh. Any node serves you; the nearest is the fastest.`,
  setUpTitle: 'Set up your mail program',
  setUpText: 'Most programs find these settings by themselves: give them your mail address and password.',
  addressLabel: 'Your mail address',
  appleButton: 'Profile for iPhone, iPad and Mac',
  appleNote: 'The profile holds no password; your device asks for it.',
  clients: [
    { name: 'Thunderbird, K-9', text: 'New account, address and password: found by itself.' },
    { name: 'Outlook', text: 'Add account, advanced options, IMAP: found by itself, or by the table below.' },
    { name: 'iPhone, Mac', text: 'Use the profile above, or “Other account” with the table below.' },
  ],
  serversTitle: 'By hand',
  serversNote: 'The user name is your whole mail address.',
  othersTitle: 'Other nodes, should this one be away',
  columns: { purpose: 'For', server: 'Server', port: 'Port', security: 'Security' },
  purposes: { imap: 'Reading (IMAP)', pop3: 'Fetching (POP3)', smtp: 'Sending (SMTP)' },
  securities: { tls: 'SSL/TLS', starttls: 'STARTTLS' },
  userName: 'User name',
  footer: 'Skein: a mail server that flocks',
}

const chinese: HomeWords = {
  htmlLanguage: 'zh-CN',
  otherLanguage: { code: 'en', name: 'English' },
  title: '邮箱',
  lead: (node, region) =>
    `这里是 Skein 网格中的节点 ${node}${region === '' ? '' : `（${region}）`}。任何节点都能为您服务，越近越快。`,
  setUpTitle: '设置邮件客户端',
  setUpText: '多数客户端只需填写邮箱地址和密码，其余设置会自动找到。',
  addressLabel: '您的邮箱地址',
  appleButton: '获取 iPhone、iPad、Mac 描述文件',
  appleNote: '描述文件中不含密码，安装时由设备询问。',
  clients: [
    { name: 'Thunderbird、K-9', text: '新建账户，填写地址和密码，自动完成。' },
    { name: 'Outlook', text: '添加账户，高级选项，选择 IMAP：自动完成，或按下表填写。' },
    { name: 'iPhone、Mac', text: '使用上面的描述文件，或选择“其他账户”按下表填写。' },
  ],
  serversTitle: '手动设置',
  serversNote: '用户名是完整的邮箱地址。',
  othersTitle: '本节点不可用时，可用其他节点',
  columns: { purpose: '用途', server: '服务器', port: '端口', security: '安全' },
  purposes: { imap: '收信 (IMAP)', pop3: '收信 (POP3)', smtp: '发信 (SMTP)' },
  securities: { tls: 'SSL/TLS', starttls: 'STARTTLS' },
  userName: '用户名',
  footer: 'Skein：雁阵般的邮件系统',
}

/** RFC 9110 §12.5.4: by the reader's order of preference; English where neither is wanted. */
export function wordsFor(acceptLanguage: string, chosen: string | null): HomeWords {
  if (chosen === 'zh') return chinese
  if (chosen === 'en') return english
  const wanted = acceptLanguage
    .slice(0, 500)
    .split(',')
    .map((part) => {
      const [tag = '', ...parameters] = part.trim().toLowerCase().split(';')
      const quality = parameters.map((one) => /^\s*q=([\d.]+)/.exec(one)?.[1]).find((one) => one !== undefined)
      return { tag: tag.trim(), quality: quality === undefined ? 1 : Number(quality) }
    })
    .filter(({ quality }) => quality > 0)
    .sort((a, b) => b.quality - a.quality)
  const first = wanted.find(({ tag }) => /^(?:zh|en)(?:-|$)/.test(tag))?.tag ?? 'en'
  return first.startsWith('zh') ? chinese : english
}
