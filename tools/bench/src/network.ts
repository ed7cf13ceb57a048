/**
 * Two hosts and a wire between them that loses packets: network namespaces with a veth pair. Needs Linux, root, and
 * `ip`, `nft` and `ethtool`.
 */

import { spawnSync } from "node:child_process"

export type Role = "receive" | "send"

export const ADDRESSES: Readonly<Record<Role, string>> = { receive: "10.6.0.1", send: "10.6.0.2" }

const SUBNET = "10.6.0.0/24"
const ROLES: readonly Role[] = ["receive", "send"]
const PACKAGES = "apt-get install iproute2 nftables ethtool"

export interface NetworkOptions {
  /** Packets lost of every hundred each way, on average. */
  readonly lossPercent: number
  /** TCP's congestion control, by its Linux name; default: the machine's. */
  readonly congestionControl?: string | undefined
}

let made = 0

/** Removed by `remove`, and in any case when this process ends, unless it is killed by force. */
export class Network {
  readonly #names: Readonly<Record<Role, string>>

  constructor({ lossPercent, congestionControl }: NetworkOptions) {
    if (made === 0) for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => process.exit(1))
    const name = `bench-${process.pid}-${made++}`
    this.#names = { receive: `${name}-receive`, send: `${name}-send` }
    process.once("exit", this.remove)
    try {
      this.#make(lossPercent, congestionControl)
    } catch (error) {
      this.remove()
      throw error
    }
  }

  /** The prefix of a command that runs on one of the hosts. */
  prefixOf(role: Role): readonly string[] {
    return ["ip", "netns", "exec", this.#names[role]]
  }

  /** Removing the hosts removes the wire. */
  readonly remove = (): void => {
    process.off("exit", this.remove)
    for (const role of ROLES) spawnSync("ip", ["netns", "del", this.#names[role]], { stdio: "ignore" })
  }

  #make(lossPercent: number, congestionControl: string | undefined): void {
    const { receive, send } = this.#names
    for (const role of ROLES) execute("ip", ["netns", "add", this.#names[role]])
    execute("ip", `link add wire netns ${receive} type veth peer name wire netns ${send}`.split(" "))
    for (const role of ROLES) {
      const inside = (command: string, input = ""): void => {
        const [file, ...args] = [...this.prefixOf(role), ...command.split(" ")]
        execute(file!, args, input)
      }
      inside(`ip address add ${ADDRESSES[role]}/24 dev wire`)
      inside("ip link set wire up")
      // Otherwise up to 64 KiB would be lost at once, which never happens on a real wire, to TCP or to any other
      // protocol.
      inside("ethtool -K wire tso off gso off gro off tx-udp-segmentation off")
      if (lossPercent > 0) inside("nft -f -", lossOf(lossPercent))
      // Set by route: as a namespace's default Linux accepts only what tcp_allowed_congestion_control allows, which is
      // a setting of the whole machine.
      if (congestionControl !== undefined) inside(`ip route change ${SUBNET} dev wire congctl ${congestionControl}`)
    }
  }
}

/** The reason why this machine can't make such a network, if there is one. */
export function networkLacks(congestionControl?: string): string | undefined {
  if (process.platform !== "linux") return "network namespaces are Linux's"
  if (process.getuid?.() !== 0) return "only root may make network namespaces"
  try {
    new Network({ lossPercent: 1, congestionControl }).remove()
    return undefined
  } catch (error) {
    return (error as Error).message
  }
}

/** Drops packets before any other part of the host sees them, but not ARP. */
function lossOf(percent: number): string {
  return `table ip loss {
  chain arriving {
    type filter hook prerouting priority raw
    iifname "wire" numgen random mod 100 < ${percent} drop
  }
}
`
}

function execute(file: string, args: readonly string[], input = ""): void {
  const { error, status, stderr } = spawnSync(file, args, { input, encoding: "utf8" })
  if (error !== undefined) throw new Error(`${file} is missing (Debian: ${PACKAGES})`, { cause: error })
  if (status !== 0) throw new Error(`${[file, ...args].join(" ")}: ${stderr.trim()} (Debian: ${PACKAGES})`)
}
