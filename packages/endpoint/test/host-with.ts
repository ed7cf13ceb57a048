import type { Host } from "@x/transport/host"

/** A host that does some things in its own way. */
export function hostWith(host: Host, own: Partial<Host>): Host {
  return {
    crypto: host.crypto,
    now: () => host.now(),
    wakeUp: (wake) => host.wakeUp(wake),
    defer: (run) => host.defer(run),
    random: () => host.random(),
    entropy: (out) => host.entropy(out),
    resolve: (name, signal) => host.resolve(name, signal),
    bind: (options) => host.bind(options),
    ...own,
  }
}
