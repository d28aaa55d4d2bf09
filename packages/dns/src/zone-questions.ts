// What the resolver's port does not tell: which zone a name lies in, and whether that zone is signed.
import { RECURSION_DESIRED, type Answer, type DecodedPacket, decode, encode } from 'dns-packet'
import { type Clock, type Random, SkeinError } from '@skein/runtime'
import { type ServerAddress, exchangeOverTcp } from './tcp-message.ts'

export interface ZoneQuestions {
  /** The apex of the zone that holds this name, without a last dot. @throws SkeinError `dns-failed` */
  zoneOf(name: string): Promise<string>
  /** `island`: the zone has keys and the one above names none of them (RFC 4033 §2). @throws SkeinError `dns-failed` */
  signing(name: string): Promise<'signed' | 'island' | 'unsigned'>
  /** TXT as this server has it now. @throws SkeinError `dns-failed` */
  texts(name: string): Promise<string[]>
}

type AskedType = 'SOA' | 'DNSKEY' | 'DS' | 'TXT'

export function createZoneQuestions(
  { clock, random }: { clock: Clock; random: Random },
  { server, timeoutMs }: { server: ServerAddress; timeoutMs: number },
): ZoneQuestions {
  async function ask(name: string, type: AskedType): Promise<DecodedPacket> {
    const id = Buffer.from(random.bytes(2)).readUInt16BE(0)
    const question = encode({ type: 'query', id, flags: RECURSION_DESIRED, questions: [{ type, name, class: 'IN' }] })
    const bytes = await exchangeOverTcp(server, question, { clock, timeoutMs })
    const failed = (why: string) =>
      new SkeinError('dns-failed', 'temporary', `${type} of ${name} could not be looked up (${why})`)
    let packet: DecodedPacket & { rcode?: string }
    try {
      packet = decode(bytes)
    } catch {
      throw failed('the answer can not be read')
    }
    if (packet.id !== id || packet.type !== 'response') throw failed('the answer is to another question')
    if (packet.rcode !== 'NOERROR' && packet.rcode !== 'NXDOMAIN') throw failed(packet.rcode ?? 'no code')
    return packet
  }
  const has = async (name: string, type: AskedType) =>
    ((await ask(name, type)).answers ?? []).some((answer) => answer.type === type)

  async function zoneOf(name: string): Promise<string> {
    const { answers = [], authorities = [] } = await ask(name, 'SOA')
    const plain = (answer: Answer) => answer.name.toLowerCase().replace(/\.$/, '')
    const apex = [...answers, ...authorities].filter(({ type }) => type === 'SOA').map(plain)
    const found = apex.find((zone) => name === zone || name.endsWith(`.${zone}`))
    if (found === undefined) {
      throw new SkeinError('dns-failed', 'temporary', `nobody says in which zone ${name} lies`)
    }
    return found
  }

  return {
    zoneOf,
    async signing(name) {
      const zone = await zoneOf(name)
      if (!(await has(zone, 'DNSKEY'))) return 'unsigned'
      // A server that keeps this zone alone refuses to speak of the one above.
      return (await has(zone, 'DS').catch(() => false)) ? 'signed' : 'island'
    },
    async texts(name) {
      const { answers = [] } = await ask(name, 'TXT')
      return answers.flatMap((answer) =>
        answer.type === 'TXT'
          ? [Buffer.concat([answer.data].flat().map((piece) => Buffer.from(piece))).toString()]
          : [],
      )
    },
  }
}
