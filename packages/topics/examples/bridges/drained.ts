// Publishes on a topic whose subscribers may hold others up: waits until there is room.
import type { Topic } from "@x/topics"

export async function publishWhenDrained(topic: Topic, type: number, bytes: Uint8Array): Promise<void> {
  while (topic.publish(type, bytes) === "refused")
    await new Promise<void>((resolve) => {
      const forget = topic.on("drain", () => {
        forget()
        resolve()
      })
    })
}
