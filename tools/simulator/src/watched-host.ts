import type { Host, Transport } from "@x/transport/host"

/** The same host, which reports each turn of its process before it begins. */
export function watchTurns(host: Host, touch: () => void): Host {
  return {
    crypto: host.crypto,
    now: () => host.now(),
    random: () => host.random(),
    entropy: (out) => host.entropy(out),
    resolve: (name, signal) => host.resolve(name, signal),
    wakeUp: (wake) =>
      host.wakeUp(() => {
        touch()
        wake()
      }),
    // What a process is asked for while it is stalled is no turn of it.
    defer: (run) =>
      host.defer(() => {
        touch()
        run()
      }),
    bind: async (options) => watch(await host.bind(options), touch),
  }
}

function watch(transport: Transport, touch: () => void): Transport {
  const onReceive = transport.onReceive.bind(transport)
  transport.onReceive = (receive) =>
    onReceive((batch) => {
      touch()
      receive(batch)
    })
  return transport
}
