// This side's long-lived stream for each service on one connection, opened when first needed and again after it broke.
import type { Stream } from '@libp2p/interface'
import type { PeerStream, PeerStreamService } from '@skein/runtime'
import type { Channel } from './channel.ts'
import { unreachable } from './failure.ts'
import type { RequestService } from './settings.ts'

export type ChannelService = RequestService | PeerStreamService

export interface ServiceChannelParts {
  newStream(service: ChannelService): Promise<Stream>
  addChannel(stream: Stream): Channel
}

export class ServiceChannels {
  readonly #with: ServiceChannelParts
  readonly #channels = new Map<ChannelService, Promise<Channel>>()
  #asking = 0
  #closed = false

  constructor(parts: ServiceChannelParts) {
    this.#with = parts
  }

  /** Requests, and streams of bytes that are being opened; those that wait for their libp2p stream included. */
  get asking(): number {
    return this.#asking
  }

  request(service: RequestService, payload: Uint8Array, timeoutMs: number): Promise<Uint8Array> {
    return this.#ask(service, (channel) => channel.request(payload, timeoutMs))
  }

  openStream(service: PeerStreamService, header: Uint8Array, timeoutMs: number): Promise<PeerStream> {
    return this.#ask(service, (channel) => channel.openStream(header, timeoutMs))
  }

  close(): void {
    this.#closed = true
    this.#channels.clear()
  }

  async #ask<Answer>(service: ChannelService, ask: (channel: Channel) => Promise<Answer>): Promise<Answer> {
    this.#asking += 1
    try {
      return await ask(await this.#channelFor(service))
    } finally {
      this.#asking -= 1
    }
  }

  async #channelFor(service: ChannelService): Promise<Channel> {
    let opening = this.#channels.get(service)
    if (opening === undefined || (await opening).closed) {
      // Another request may have opened a fresh one while this one waited.
      const latest = this.#channels.get(service)
      opening = latest === undefined || latest === opening ? this.#open(service) : latest
      this.#channels.set(service, opening)
    }
    return opening
  }

  async #open(service: ChannelService): Promise<Channel> {
    try {
      const channel = this.#with.addChannel(await this.#with.newStream(service))
      if (this.#closed) channel.abort(unreachable('the connection to the peer was lost'))
      return channel
    } catch (error) {
      this.#channels.delete(service)
      throw unreachable('the peer takes no requests of this kind now', error)
    }
  }
}
