// Echo over loopback; prints what came back and what the transport can do.
import { Endpoint } from "@x/endpoint"

async function main() {
  const server = await Endpoint.bind({ v6: false })
  server.handle(1, (message) => void message.peer.open().trySend(2, message.copy()))
  const client = await Endpoint.bind({ v6: false })
  const answer = new Promise((resolve) =>
    client.handle(2, (message) => resolve(new TextDecoder().decode(message.copy()))),
  )
  const peer = await client.join(`127.0.0.1:${server.port}`)
  await peer.open().send(1, new TextEncoder().encode("hello"))
  const { batch, dontFragment } = client.capabilities
  console.log(JSON.stringify({ answer: await answer, batch, dontFragment }))
  await client.close()
  await server.close()
}

void main()
