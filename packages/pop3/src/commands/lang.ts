// LANG (RFC 6856 §3): in which language the texts after +OK and -ERR are.
import { bad, ok } from '../answers.ts'
import { type Language, languageFor, languages } from '../texts.ts'
import { defineCommand } from './command.ts'

const confirmations: Readonly<Record<Language, string>> = {
  en: 'en replies are in English',
  zh: 'zh 以后用中文回答',
}

export const lang = defineCommand({
  name: 'LANG',
  states: ['authorization', 'transaction'],
  parse: (text) => text.trim().toLowerCase(),
  run(context, tag) {
    if (tag === '') {
      const lines = [...Object.entries(languages).map(([name, own]) => `${name} ${own}`), 'i-default English']
      return { kind: 'lines', text: 'languages', lines }
    }
    // RFC 6856 §3: `*` asks for the server's default.
    const language = tag === '*' || tag === 'i-default' ? 'en' : languageFor(tag)
    if (language === undefined) return bad('language not offered')
    context.language = language
    return ok(tag === 'i-default' ? 'i-default replies are in English' : confirmations[language])
  },
})
