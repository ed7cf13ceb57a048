/**
 * A place of network namespaces: two hosts with a tun device each, and the relay in C between them. Needs Linux, root,
 * `ip`, `sysctl`, `/dev/net/tun` and a C compiler.
 */

import { type ChildProcess, spawn, spawnSync } from "node:child_process"
import { accessSync, constants, existsSync, readdirSync } from "node:fs"
import { createInterface } from "node:readline"
import { end } from "@x/bench/children"
import type { Role } from "@x/bench/network"
import { compileRelay } from "./compile.ts"
import type { Change, Place, PlaceOptions, RelayStats } from "./place.ts"
import { lateOf } from "./late.ts"
import { commandsOf } from "./settings.ts"

const DEVICE = "lab"
const ROLES: readonly Role[] = ["receive", "send"]
const HOST: Readonly<Record<Role, number>> = { receive: 1, send: 2 }
const NAMESPACES = "/var/run/netns"
const PREFIX = "x-lab-"
const ANSWER_MS = 5_000
/** No limit in front of the relay: what is lost, it has lost. */
const TX_QUEUE_PACKETS = 20_000
/** For paths with much under way; TCP grows to the last of three. Nothing is remembered from flow to flow. */
const SYSCTLS = [
  "net.ipv4.tcp_rmem=4096 1048576 67108864",
  "net.ipv4.tcp_wmem=4096 1048576 67108864",
  "net.ipv4.tcp_no_metrics_save=1",
]

/** The reason why this machine can't make such a place, if there is one. */
export function namespacesLack(): string | undefined {
  if (process.platform !== "linux") return "network namespaces are Linux's"
  if (process.getuid?.() !== 0) return "only root may make network namespaces"
  if (spawnSync("ip", ["-V"]).error !== undefined) return "ip is missing (Debian: apt-get install iproute2)"
  if (spawnSync("sysctl", ["-V"]).error !== undefined) return "sysctl is missing (Debian: apt-get install procps)"
  try {
    accessSync("/dev/net/tun", constants.R_OK | constants.W_OK)
  } catch {
    return "/dev/net/tun can't be opened: the kernel or the container has no tun devices"
  }
  try {
    compileRelay()
  } catch (error) {
    return (error as Error).message
  }
  return undefined
}

/** Removes namespaces that an earlier run left because it was killed. Those of runs that still live are left alone. */
export function removeLeftovers(): string[] {
  const names = existsSync(NAMESPACES) ? readdirSync(NAMESPACES) : []
  const left = names.filter((name) => {
    const pid = new RegExp(`^${PREFIX}(\\d+)-\\d+-(?:receive|send)$`).exec(name)?.[1]
    return pid !== undefined && !existsSync(`/proc/${pid}`)
  })
  for (const name of left) spawnSync("ip", ["netns", "del", name], { stdio: "ignore" })
  return left
}

let made = 0

/** Removed by `remove`, and in any case when this process ends, unless it is killed by force. */
export class Namespaces implements Place {
  readonly #names: Readonly<Record<Role, string>>
  readonly #relay: ChildProcess
  readonly #answers: ((line: string) => void)[] = []
  /** The last byte of each flow's sending address. */
  readonly #senders: number[]
  #error = ""

  private constructor({ flows, seed, spinUs }: PlaceOptions) {
    const name = `${PREFIX}${process.pid}-${made++}`
    this.#names = { receive: `${name}-receive`, send: `${name}-send` }
    this.#senders = Array.from({ length: flows }, () => HOST.send)
    process.once("exit", this.#removeNow)
    for (const role of ROLES) execute("ip", ["netns", "add", this.#names[role]])
    const { send, receive } = this.#names
    this.#relay = spawn(compileRelay(), [send, receive, DEVICE, String(spinUs), String(seed)], { stdio: "pipe" })
    this.#relay.stderr!.on("data", (text: Buffer) => (this.#error += text.toString()))
    this.#relay.once("error", ({ message }) => (this.#error += message))
    this.#relay.once("exit", (code, signal) => {
      for (const answer of this.#answers.splice(0)) answer(`error the relay ended (${signal ?? code}) ${this.#error}`)
    })
    createInterface(this.#relay.stdout!).on("line", (line) => this.#answers.shift()?.(line))
  }

  static async make(options: PlaceOptions): Promise<Namespaces> {
    const { path, hasNat, flows } = options
    const place = new Namespaces(options)
    try {
      await place.#answer()
      for (const role of ROLES) place.#configure(role, flows)
      await place.#tell([...commandsOf("there", path.there), ...commandsOf("back", path.back)])
      if (hasNat) await place.#tell(["nat on"])
    } catch (error) {
      await place.remove()
      throw error
    }
    return place
  }

  endsOf(flow: number, role: Role): { readonly own: string; readonly other: string } {
    const addresses = this.#addressesOf(flow)
    return { own: addresses[role], other: addresses[role === "send" ? "receive" : "send"] }
  }

  prefixOf(role: Role): readonly string[] {
    return ["ip", "netns", "exec", this.#names[role]]
  }

  /** Set by route: so two flows between the same hosts may differ. */
  useCongestionControl(flow: number, name: string): void {
    for (const role of ROLES) {
      const own = this.#addressesOf(flow)[role]
      this.#inside(role, `ip route change ${subnet(flow)} dev ${DEVICE} src ${own} congctl ${name}`)
    }
  }

  async connect(): Promise<void> {}

  async change(change: Change): Promise<void> {
    switch (change.what) {
      case "path":
        return this.#tell(commandsOf("there", change.direction))
      case "rebind":
        return this.#tell(["rebind"])
      case "rebind-every":
        return this.#tell([`every ${change.everyMs} rebind`])
      case "move":
        return this.#move(change.flow)
    }
  }

  async stats(): Promise<RelayStats> {
    const [line] = await this.#ask(["stats"])
    const { late, ...counts } = JSON.parse(line!.slice("ok ".length)) as Omit<RelayStats, "late"> & { late: number[] }
    return { ...counts, late: lateOf(late) }
  }

  async remove(): Promise<void> {
    await end(this.#relay)
    process.off("exit", this.#removeNow)
    this.#removeNow()
  }

  readonly #removeNow = (): void => {
    this.#relay?.kill("SIGKILL")
    for (const role of ROLES) spawnSync("ip", ["netns", "del", this.#names[role]], { stdio: "ignore" })
  }

  #addressesOf(flow: number): Readonly<Record<Role, string>> {
    return { receive: address(flow, HOST.receive), send: address(flow, this.#senders[flow]!) }
  }

  #configure(role: Role, flows: number): void {
    const inside = (command: string): void => this.#inside(role, command)
    inside("ip link set lo up")
    inside(`ip link set ${DEVICE} txqueuelen ${TX_QUEUE_PACKETS} mtu 1500 up`)
    for (const setting of SYSCTLS) execute("ip", ["netns", "exec", this.#names[role], "sysctl", "-qw", setting])
    for (let flow = 0; flow < flows; flow++) inside(`ip address add ${this.#addressesOf(flow)[role]}/24 dev ${DEVICE}`)
  }

  /** The sender loses its address and gets another, as a laptop that changes its network. */
  #move(flow: number): void {
    const before = this.#addressesOf(flow).send
    this.#senders[flow]!++
    const { send } = this.#addressesOf(flow)
    this.#inside("send", `ip address del ${before}/24 dev ${DEVICE}`)
    this.#inside("send", `ip address add ${send}/24 dev ${DEVICE}`)
  }

  #inside(role: Role, command: string): void {
    const [file, ...args] = [...this.prefixOf(role), ...command.split(" ")]
    execute(file!, args)
  }

  async #tell(lines: readonly string[]): Promise<void> {
    await this.#ask(lines)
  }

  async #ask(lines: readonly string[]): Promise<string[]> {
    const answers = lines.map(() => this.#answer())
    this.#relay.stdin!.write(lines.map((line) => `${line}\n`).join(""))
    return Promise.all(answers)
  }

  #answer(): Promise<string> {
    return new Promise((resolve, reject) => {
      const fail = (why: string): void => reject(new Error(`the relay: ${why.trim()}`))
      if (this.#relay.exitCode !== null) return fail(`it has ended ${this.#error}`)
      const timer = setTimeout(() => fail(`no answer in ${ANSWER_MS} ms`), ANSWER_MS)
      this.#answers.push((line) => {
        clearTimeout(timer)
        if (line.startsWith("error")) fail(line)
        else resolve(line)
      })
    })
  }
}

const address = (flow: number, host: number): string => `10.77.${flow}.${host}`
const subnet = (flow: number): string => `10.77.${flow}.0/24`

function execute(file: string, args: readonly string[]): void {
  const { error, status, stderr } = spawnSync(file, args, { encoding: "utf8" })
  if (error !== undefined) throw new Error(`${file} is missing`, { cause: error })
  if (status !== 0) throw new Error(`${[file, ...args].join(" ")}: ${stderr.trim()}`)
}
