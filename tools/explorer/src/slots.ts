import type { PacketSlots } from "@x/stream"

/** A pool small enough to copy with every state. */
export class FewSlots implements PacketSlots {
  readonly slotBytes: number
  readonly memory: Uint8Array[] = []
  readonly free: number[] = []

  constructor(slotBytes: number, slots: number) {
    this.slotBytes = slotBytes
    for (let slot = 0; slot < slots; slot++) {
      this.memory.push(new Uint8Array(slotBytes))
      this.free.push(slot)
    }
  }

  get available(): number {
    return this.free.length
  }

  acquire(): number {
    return this.free.pop() ?? -1
  }

  release(slot: number): void {
    this.free.push(slot)
  }

  share(): boolean {
    return false
  }

  isShared(): boolean {
    return false
  }

  bytes(slot: number): Uint8Array {
    return this.memory[slot]!
  }

  view(slot: number): DataView {
    return new DataView(this.memory[slot]!.buffer)
  }

  offset(): number {
    return 0
  }
}
