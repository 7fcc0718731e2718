// A WebSocket of the server's side with texts alone, as much as a bench needs. No fragments, no extensions.

import { createHash } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'

const MAGIC = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11'

export interface TextSocket {
  say(message: unknown): void
  onText: (text: string) => void
  onClose: () => void
}

export function accept(request: IncomingMessage, stream: Duplex): TextSocket {
  const key = request.headers['sec-websocket-key'] ?? ''
  const accepted = createHash('sha1').update(key + MAGIC).digest('base64')
  stream.write(
    'HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n' +
      `sec-websocket-accept: ${accepted}\r\nsec-websocket-protocol: pomona.v3\r\n\r\n`,
  )
  const socket: TextSocket = {
    say: (message) => void (stream.writable && stream.write(frame(Buffer.from(JSON.stringify(message))))),
    onText: () => undefined,
    onClose: () => undefined,
  }
  let waiting = Buffer.alloc(0)
  stream.on('data', (chunk: Buffer) => {
    waiting = Buffer.concat([waiting, chunk])
    for (let read = readFrame(waiting); read; read = readFrame(waiting)) {
      waiting = waiting.subarray(read.length)
      if (read.opcode === 8) stream.end()
      else if (read.opcode === 1) socket.onText(read.text)
    }
  })
  stream.on('close', () => socket.onClose())
  stream.on('error', () => stream.destroy())
  return socket
}

function frame(payload: Buffer): Buffer {
  const { length } = payload
  if (length < 126) return Buffer.concat([Buffer.from([0x81, length]), payload])
  if (length < 65536) return Buffer.concat([Buffer.from([0x81, 126, length >> 8, length & 255]), payload])
  const head = Buffer.alloc(10)
  head[0] = 0x81
  head[1] = 127
  head.writeBigUInt64BE(BigInt(length), 2)
  return Buffer.concat([head, payload])
}

function readFrame(data: Buffer): { opcode: number; text: string; length: number } | null {
  if (data.length < 6) return null
  const short = (data[1] ?? 0) & 127
  const extra = short === 126 ? 2 : short === 127 ? 8 : 0
  if (data.length < 6 + extra) return null
  const size = extra === 2 ? data.readUInt16BE(2) : extra === 8 ? Number(data.readBigUInt64BE(2)) : short
  const start = 6 + extra
  if (data.length < start + size) return null
  const mask = data.subarray(2 + extra, start)
  const payload = Buffer.from(data.subarray(start, start + size))
  for (let at = 0; at < size; at++) payload[at] = (payload[at] ?? 0) ^ (mask[at % 4] ?? 0)
  return { opcode: (data[0] ?? 0) & 15, text: payload.toString('utf8'), length: start + size }
}
