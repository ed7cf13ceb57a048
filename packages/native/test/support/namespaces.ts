import { spawnSync } from "node:child_process"
import { setTimeout as delay } from "node:timers/promises"

/** `ip` lives where only root's PATH may look. */
export const namespaceEnv: NodeJS.ProcessEnv = { ...process.env, PATH: `${process.env["PATH"]}:/usr/sbin:/sbin` }

function ip(...args: string[]): { ok: boolean; out: string } {
  const { status, stdout, stderr } = spawnSync("ip", args, { encoding: "utf8", env: namespaceEnv })
  return { ok: status === 0, out: status === 0 ? stdout : (stderr ?? "") }
}

function mustIp(...args: string[]): string {
  const { ok, out } = ip(...args)
  if (!ok) throw new Error(`ip ${args.join(" ")}: ${out.trim()}`)
  return out
}

/** Why this machine can't make network namespaces; undefined if it can. It tries to make one. */
export function noNamespaces(): string | undefined {
  if (process.platform !== "linux") return "network namespaces are Linux"
  if (process.getuid?.() !== 0) return "not root, so no network namespaces"
  if (!ip("-V").ok) return "no `ip` here: install iproute2"
  const probe = `xn${process.pid}p`
  const made = ip("netns", "add", probe)
  if (!made.ok) return `no network namespaces: ${made.out.trim().split("\n", 1)[0]}`
  mustIp("netns", "delete", probe)
  return undefined
}

/** Two network namespaces, one wire between them. */
export class NamespacePair {
  readonly a: string = `xn${process.pid}a`
  readonly b: string = `xn${process.pid}b`
  readonly addresses = { a: { 4: "10.99.0.1", 6: "fd99::1" }, b: { 4: "10.99.0.2", 6: "fd99::2" } } as const

  async create(mtu: number): Promise<void> {
    mustIp("netns", "add", this.a)
    mustIp("netns", "add", this.b)
    // Each end has the name of its namespace, which is short enough and unique.
    mustIp(
      "link",
      "add",
      this.a,
      "netns",
      this.a,
      "mtu",
      `${mtu}`,
      "type",
      "veth",
      "peer",
      "name",
      this.b,
      "netns",
      this.b,
      "mtu",
      `${mtu}`,
    )
    for (const side of ["a", "b"] as const) {
      const name = this[side]
      mustIp("-n", name, "link", "set", "lo", "up")
      mustIp("-n", name, "address", "add", `${this.addresses[side][4]}/24`, "dev", name)
      // nodad: the address is usable at once, instead of after a second of duplicate address detection.
      mustIp("-n", name, "address", "add", `${this.addresses[side][6]}/64`, "dev", name, "nodad")
      mustIp("-n", name, "link", "set", name, "up")
    }
    for (const side of ["a", "b"] as const) await this.#ready(this[side])
  }

  /** Deleting a namespace deletes its end of the wire, and with it the other. */
  remove(): void {
    ip("netns", "delete", this.a)
    ip("netns", "delete", this.b)
  }

  /** Command and arguments of a program that runs in a namespace. */
  command(name: string, program: string, ...args: string[]): [string, string[]] {
    return ["ip", ["netns", "exec", name, program, ...args]]
  }

  /** From now on `a` believes that the path to `b` carries no more than this, as after an ICMP message. */
  narrowRoute(mtu: number): void {
    mustIp("-n", this.a, "route", "replace", `${this.addresses.b[4]}/32`, "dev", this.a, "mtu", `${mtu}`)
    mustIp("-n", this.a, "-6", "route", "replace", `${this.addresses.b[6]}/128`, "dev", this.a, "mtu", `${mtu}`)
  }

  /** A counter of the kernel's IP layers, v4 and v6 together: "FragCreates" is Ip's of that name and Ip6's. */
  counter(name: string, counter: string): number {
    const { stdout } = spawnSync(...this.command(name, "cat", "/proc/net/snmp", "/proc/net/snmp6"), {
      encoding: "utf8",
      env: namespaceEnv,
    })
    const [names, values] = stdout
      .split("\n")
      .filter((line) => line.startsWith("Ip: "))
      .map((line) => line.split(" "))
    const v4 = Number(values![names!.indexOf(counter)])
    const v6 = Number(new RegExp(`^Ip6${counter}\\s+(\\d+)`, "m").exec(stdout)![1])
    return v4 + v6
  }

  async #ready(name: string): Promise<void> {
    const deadlineMs = performance.now() + 10_000
    for (;;) {
      const [link] = JSON.parse(mustIp("-n", name, "-j", "address", "show", "dev", name)) as [
        { operstate: string; addr_info: { scope: string; tentative?: boolean }[] },
      ]
      const settled = link.addr_info.every((address) => address.scope !== "global" || address.tentative !== true)
      if (link.operstate === "UP" && settled) return
      if (performance.now() > deadlineMs) throw new Error(`${name} isn't up after 10 s: ${JSON.stringify(link)}`)
      await delay(10)
    }
  }
}
