// A file goes from one endpoint to another, in messages of 64 KiB over one reliable stream, and appears only once it is
// complete.
import assert from "node:assert/strict"
import { createHash, randomBytes } from "node:crypto"
import {
  closeSync,
  createReadStream,
  mkdtempSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
  writeSync,
} from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Endpoint, type IncomingStream, reasonName } from "@x/endpoint"

const CHUNK = 1
const folder = mkdtempSync(join(tmpdir(), "file-"))
const source = join(folder, "source")
writeFileSync(source, randomBytes(20_000_000))

const receiver = await Endpoint.bind({ v4: "127.0.0.1", v6: false })
const files = new Map<IncomingStream, number>()
receiver.handle(CHUNK, ({ stream, bytes }) => {
  // Written before the handler returns, so a slow disk holds up the sender instead of filling the memory.
  writeSync(files.get(stream)!, bytes)
})
const stored = new Promise<string>((resolve, reject) => {
  receiver.on("stream", (stream) => {
    // A name that comes from outside, in the label for instance, would have to be checked before it becomes a path.
    const path = join(folder, "copy")
    const file = openSync(`${path}.part`, "w")
    files.set(stream, file)
    void stream.closed.then(({ isComplete, reason }) => {
      closeSync(file)
      files.delete(stream)
      if (!isComplete) return reject(new Error(`the file broke off: ${reasonName(reason)}`))
      renameSync(`${path}.part`, path)
      resolve(path)
    })
  })
})

const sender = await Endpoint.bind({ v4: "127.0.0.1", v6: false })
const peer = await sender.join(`127.0.0.1:${receiver.port}`)
const stream = peer.open()
// `send` waits while the window is full: no more of the file is read than is on its way.
for await (const chunk of createReadStream(source, { highWaterMark: 65_536 })) await stream.send(CHUNK, chunk)
await stream.end()

const sha256 = (path: string): string => createHash("sha256").update(readFileSync(path)).digest("hex")
assert.equal(sha256(await stored), sha256(source))
console.log(`20 MB arrived whole; ${peer.stats().packetsSent} packets, ${peer.stats().packetsResent} sent again`)
await sender.close()
await receiver.close()
rmSync(folder, { recursive: true })
