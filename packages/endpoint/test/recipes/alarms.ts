// What is to be tested. It is given its endpoint, and knows of no network.
import { defineMessage, type Endpoint, type Target, utf8 } from "@x/endpoint"

const ALARM = defineMessage(1, utf8)

/** Takes the alarms of all stations. */
export function collect(endpoint: Endpoint, onAlarm: (station: string, text: string) => void): void {
  endpoint.handle(ALARM, (text, { stream }) => onAlarm(stream.label, text))
}

/** Makes what raises the alarms of a station. Each arrives, once or more often, whatever happens to the collector. */
export function station(endpoint: Endpoint, name: string, collector: Target): (text: string) => void {
  const waiting: string[] = []
  const stream = endpoint.connect(collector).stream({ label: name })
  const send = (): void => {
    while (waiting.length > 0 && ["sent", "parked"].includes(stream.trySend(ALARM, waiting[0]!))) waiting.shift()
  }
  stream.on("open", (opened) => {
    opened.on("drain", send)
    send()
  })
  stream.on("unconfirmed", (messages) => waiting.unshift(...messages.map(({ bytes }) => utf8.decode(bytes))))
  return (text) => {
    waiting.push(text)
    send()
  }
}
