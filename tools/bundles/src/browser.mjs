// Encrypted echo on the simulated network, in any runtime; and the error where there is no UDP.
import { Endpoint } from "@x/endpoint"
import { createNetwork, PRESETS } from "@x/transport/simulated"

export async function main() {
  const network = createNetwork({ seed: 7, link: PRESETS.wifi })
  const secrets = [new Uint8Array(32).fill(1)]
  const bind = (name) =>
    network.until(Endpoint.bind({ host: network.host(name), port: 4000, secrets, protection: "aead" }))
  const server = await bind("server")
  server.handle(1, (message) => void message.peer.open().trySend(2, message.copy()))
  const client = await bind("client")
  let answer
  client.handle(2, (message) => (answer = new TextDecoder().decode(message.copy())))
  const peer = await network.until(client.join("server:4000"))
  await network.until(peer.open().send(1, new TextEncoder().encode("hello")))
  await network.when(() => answer !== undefined)
  const unbound = await Endpoint.bind().then(
    () => "bound",
    (error) => error.message,
  )
  await network.until(Promise.all([client.close(), server.close()]))
  return JSON.stringify({ answer, unbound, traceHash: network.traceHash })
}
