// One end of a path, in its own process, since a process is in one network namespace. Loads the compiled file directly:
// Node 20 runs no TypeScript. Prints a line of JSON for each thing that happens.
import { createSocket } from "node:dgram"
import { createRequire } from "node:module"

const binding = createRequire(import.meta.url)("../../build/x-native.node")
const [role, family, host, ...rest] = process.argv.slice(2)

/** "probe" is what openSocket does; the other modes show that the test can tell the difference. */
async function open(mode, address) {
  const socket = createSocket(family === "4" ? "udp4" : "udp6")
  const listening = new Promise((resolve) => socket.once("listening", resolve))
  if (mode === "plain") socket.bind(0, address)
  else {
    const { fd } = binding.open(Number(family), address, 0, true, true, 0, 0)
    if (mode === "do")
      binding.setOption(
        fd,
        family === "4" ? "IPPROTO_IP" : "IPPROTO_IPV6",
        family === "4" ? "IP_MTU_DISCOVER" : "IPV6_MTU_DISCOVER",
        2,
      )
    socket.bind({ fd })
  }
  await listening
  return socket
}

function pattern(length) {
  return Uint8Array.from({ length }, (_, i) => (i * 31 + length) & 255)
}

function say(value) {
  process.stdout.write(`${JSON.stringify(value)}\n`)
}

if (role === "receive") {
  const socket = await open("probe", host)
  socket.on("message", (bytes) =>
    say({ length: bytes.length, intact: Buffer.compare(bytes, pattern(bytes.length)) === 0 }),
  )
  say({ port: socket.address().port })
} else {
  const [port, mode, ...lengths] = rest
  const socket = await open(mode, family === "4" ? "0.0.0.0" : "::")
  for (const length of lengths.map(Number))
    await new Promise((resolve) =>
      socket.send(pattern(length), Number(port), host, (error) => {
        say({ length, result: error?.code ?? "sent" })
        resolve()
      }),
    )
  socket.close()
}
