import { MessageWriter } from "./message-writer.ts"

/** Lends the one writer; another only while a codec that is asked by the first writes a message of its own. */
export class Writers {
  #spare: MessageWriter | undefined

  take(): MessageWriter {
    const writer = this.#spare ?? new MessageWriter()
    this.#spare = undefined
    return writer
  }

  give(writer: MessageWriter): void {
    writer.clear()
    this.#spare = writer
  }
}
