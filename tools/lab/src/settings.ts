/** What a path does to packets, as scenarios state it, and as the relay is told. */

/** Loss in bursts (Gilbert, Elliott): probabilities of each packet that the bad state begins and ends, and its loss. */
export interface Burst {
  readonly enter: number
  readonly leave: number
  readonly loss: number
}

/** One direction. 0, or left out: none, or no limit. */
export interface Direction {
  readonly delayMs?: number
  /** Up to so much more, drawn for each packet; order is kept. */
  readonly jitterMs?: number
  /** Share of the packets that are held back by up to `reorderMs`, so that later ones overtake them. */
  readonly reorder?: number
  readonly reorderMs?: number
  /** Share of the packets lost in front of the queue, as on a radio link before the bottleneck, or behind it. */
  readonly lossBefore?: number
  readonly lossBehind?: number
  readonly burstBefore?: Burst
  readonly burstBehind?: Burst
  /** Bits of IP packets a second. */
  readonly rate?: number
  readonly queuePackets?: number
  readonly queueBytes?: number
  readonly queueMs?: number
  /** CoDel's target; where it is set, CoDel marks packets of senders that take part in ECN, and drops others. */
  readonly codelTargetMs?: number
  readonly codelIntervalMs?: number
  /** Longer IP packets are lost without a word. */
  readonly mtu?: number
}

/** A path: the data goes there, acknowledgements come back. */
export interface Path {
  readonly there: Direction
  readonly back: Direction
}

const KEYS: Readonly<Record<Exclude<keyof Direction, "burstBefore" | "burstBehind">, string>> = {
  delayMs: "delay_us",
  jitterMs: "jitter_us",
  reorder: "reorder",
  reorderMs: "reorder_us",
  lossBefore: "loss_before",
  lossBehind: "loss_behind",
  rate: "rate",
  queuePackets: "queue_packets",
  queueBytes: "queue_bytes",
  queueMs: "queue_us",
  codelTargetMs: "codel_target_us",
  codelIntervalMs: "codel_interval_us",
  mtu: "mtu",
}

/** The relay's commands for a direction. */
export function commandsOf(which: "there" | "back" | "both", direction: Direction): string[] {
  const lines: string[] = []
  const set = (key: string, value: number): void => {
    if (!Number.isFinite(value) || value < 0) throw new RangeError(`${key} is a number from 0, not ${value}`)
    lines.push(`set ${which} ${key} ${value}`)
  }
  for (const [name, value] of Object.entries(direction) as [keyof Direction, number | Burst][]) {
    if (typeof value === "number") {
      const key = KEYS[name as keyof typeof KEYS]
      set(key, key.endsWith("_us") ? value * 1_000 : value)
    } else {
      const key = name === "burstBefore" ? "burst_before" : "burst_behind"
      set(`${key}_enter`, value.enter)
      set(`${key}_leave`, value.leave)
      set(`${key}_loss`, value.loss)
    }
  }
  return lines
}

/** Both directions alike. */
export const alike = (direction: Direction): Path => ({ there: direction, back: direction })

/** Bytes of a path's rate in so many milliseconds: its bandwidth-delay product, if these are a round trip. */
export const bdpBytes = (rate: number, rttMs: number): number => Math.round((rate * rttMs) / 8_000)
