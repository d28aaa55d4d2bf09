// Every charset that people still write in, in each transfer encoding, with what its subject and text say.
import { type CorpusMessage, base64, encode, message, quoted, top, wordB, wordQ } from './corpus-builder.ts'

interface Sample {
  charset: string
  subject: string
  text: string
}

export const samples: readonly Sample[] = [
  { charset: 'gb2312', subject: '关于下周会议的通知', text: '各位同事:会议改到周四下午三点,请准时参加。' },
  { charset: 'gbk', subject: '朱镕基與繁體', text: '鎔字不在国标二三一二里,卻在擴展碼裡。' },
  { charset: 'gb18030', subject: '生僻字㐀𠀀', text: '四字节字符:㐀䶵𠀀𪚥,以及€与常用字。' },
  { charset: 'big5', subject: '會議記錄', text: '請參閱附件,功蓋許淚。謝謝您的來信。' },
  { charset: 'big5-hkscs', subject: '香港嘅信', text: '佢哋喺度食嘢,啲嘢好好味。' },
  { charset: 'utf-8', subject: '你好 😀 Grüße', text: 'Zażółć gęślą jaźń — 你好,世界 🌏' },
  { charset: 'iso-2022-jp', subject: '会議のお知らせ', text: '明日の会議は10時からです。よろしくお願いします。' },
  { charset: 'shift_jis', subject: '表示ソフト', text: '能率的な予定表とソース。' },
  { charset: 'euc-jp', subject: '日本語の件名', text: '漢字かな交じり文です。' },
  { charset: 'euc-kr', subject: '회의 안내', text: '안녕하세요. 내일 회의가 있습니다.' },
  { charset: 'koi8-r', subject: 'Привет', text: 'Съешь же ещё этих мягких французских булок.' },
  { charset: 'windows-1251', subject: 'Отчёт №5', text: 'Отчёт за неделю — «готов».' },
  {
    charset: 'iso-8859-1',
    subject: 'Crème brûlée',
    text: 'Voix ambiguë d’un cœur'.replace('’', "'").replace('œ', 'oe'),
  },
  { charset: 'iso-8859-2', subject: 'Žluťoučký kůň', text: 'Příliš žluťoučký kůň úpěl ďábelské ódy.' },
  { charset: 'iso-8859-7', subject: 'Καλημέρα', text: 'Ξεσκεπάζω την ψυχοφθόρα βδελυγμία.' },
  { charset: 'iso-8859-15', subject: 'Prix en €', text: 'Cœur à 5 €' },
  { charset: 'windows-1252', subject: '“Quoted” – dash', text: 'Smart “quotes” – and a € sign…' },
  { charset: 'windows-1256', subject: 'مرحبا', text: 'مرحبا بالعالم' },
  { charset: 'windows-1255', subject: 'שלום', text: 'שלום עולם' },
  { charset: 'windows-874', subject: 'สวัสดี', text: 'สวัสดีชาวโลก' },
  { charset: 'windows-1258', subject: 'Viet', text: 'Xin chao' },
]

export function charsets(): CorpusMessage[] {
  const out: CorpusMessage[] = []
  for (const { charset, subject, text } of samples) {
    const bytes = encode(`${text}\r\n`, charset)
    const header = (word: string, encoding: string): string[] =>
      top(word, [`Content-Type: text/plain; charset=${charset}`, `Content-Transfer-Encoding: ${encoding}`])
    out.push(
      message(`charset-${charset}-8bit`, ...header(wordB(subject, charset), '8bit'), '', encode(text, charset)),
      message(`charset-${charset}-quoted`, ...header(wordQ(subject, charset), 'quoted-printable'), '', quoted(bytes)),
      message(`charset-${charset}-base64`, ...header(wordB(subject, charset), 'base64'), '', base64(bytes)),
    )
  }
  return out
}

/** Charsets named wrongly, or not at all, or only fit for base64. */
export function charsetOddities(): CorpusMessage[] {
  const typed = (value: string, encoding = '8bit'): string[] => [
    `Content-Type: text/plain${value}`,
    `Content-Transfer-Encoding: ${encoding}`,
  ]
  const raw = (prefix: string, bytes: Buffer): Buffer => Buffer.concat([Buffer.from(prefix), bytes])
  const chinese = '没有声明字符集的中文正文,常见于旧系统。'
  return [
    message('charset-missing-utf8', ...top('No charset'), '', chinese),
    message('charset-missing-gbk', ...top('No charset'), '', encode(chinese, 'gbk')),
    message('charset-missing-latin1', ...top('No charset'), '', encode('Déjà vu à la crèmerie, naïveté', 'iso-8859-1')),
    message('charset-missing-jis', ...top('No charset'), '', encode('題名なしの手紙', 'iso-2022-jp')),
    message(
      'charset-raw-subject-gbk',
      raw('Subject: ', encode('裸的中文主题', 'gbk')),
      'From: aaa@test.com',
      'Date: Tue, 6 Jan 2026 10:00:00 +0800',
      '',
      'x',
    ),
    message(
      'charset-raw-subject-latin1',
      raw('Subject: ', encode('Größe', 'iso-8859-1')),
      'From: aaa@test.com',
      '',
      'x',
    ),
    message('charset-raw-from-utf8', 'From: "王小明" <w@test.com>', 'Subject: raw name', '', 'x'),
    message('charset-ascii-is-utf8', ...top('Says ASCII', typed('; charset=us-ascii')), '', chinese),
    message('charset-unknown', ...top('=?x-nobody-knows?B?5L2g5aW9?=', typed('; charset=x-nobody-knows')), '', chinese),
    message('charset-empty', ...top('Empty name', typed('; charset=""')), '', chinese),
    message('charset-quoted-blank', ...top('Blanks', typed('; charset=" gb2312 "')), '', encode(chinese, 'gbk')),
    message('charset-upper', ...top('Upper case', typed('; CHARSET=GB2312')), '', encode(chinese, 'gbk')),
    message(
      'charset-language',
      ...top('=?utf-8*zh-CN?B?5L2g5aW9?= end', typed("; charset*=us-ascii'en'utf-8")),
      '',
      chinese,
    ),
    message(
      'charset-utf-16',
      ...top('Wide', typed('; charset=utf-16le', 'base64')),
      '',
      base64(encode('宽字符 wide', 'utf-16le')),
    ),
    message(
      'charset-utf-7',
      ...top('=?utf-7?Q?+T2BZfQ-?=', typed('; charset=utf-7', '7bit')),
      '',
      encode('你好 UTF-7', 'utf7'),
    ),
    message('charset-utf-8-bom', ...top('Mark', typed('; charset=utf-8')), '', '\ufeffAfter the mark'),
    message(
      'charset-utf-8-invalid',
      ...top('Broken UTF-8', typed('; charset=utf-8')),
      '',
      Buffer.from([0x61, 0xff, 0xfe, 0x62, 0xe4, 0xbd]),
    ),
    message(
      'charset-cp936',
      ...top(wordB('代码页', 'gbk').replace('gbk', 'cp936'), typed('; charset=cp936')),
      '',
      encode(chinese, 'gbk'),
    ),
    message('words-split-character', ...top('=?utf-8?B?5L2g5Q==?=\r\n =?utf-8?B?pb0=?='), '', 'x'),
    message(
      'words-split-gb2312',
      ...top('=?gb2312?B?xOM=?= =?gb2312?B?usM=?= =?gb2312?Q?=CA?= =?gb2312?Q?=C0=BD=E7?='),
      '',
      'x',
    ),
    message('words-adjacent', ...top('=?utf-8?Q?a?= =?iso-8859-1?Q?=E9?=   =?utf-8?Q?_b?= c =?utf-8?Q?d?='), '', 'x'),
    message('words-broken', ...top('=?utf-8?B?5L2g5aW9 =?utf-8?X?abc?= =??B?YQ==?= =?utf-8?B??= =?'), '', 'x'),
    message('words-blanks-inside', ...top('=?utf-8?Q?blanks inside the word?='), '', 'x'),
    message('words-in-quotes', 'From: "=?utf-8?B?5byg5LiJ?=" <zs@test.com>', 'Subject: quoted word', '', 'x'),
    message('words-comma-inside', 'From: =?utf-8?Q?Smith,_John?= <js@test.com>, b@test.com', 'Subject: comma', '', 'x'),
    message('words-bad-base64', ...top('=?utf-8?B?5L2g5aW9?!?= =?utf-8?B?5L2g5aW9=?='), '', 'x'),
  ]
}
