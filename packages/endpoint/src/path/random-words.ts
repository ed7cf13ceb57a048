/** Words that are drawn at a time: entropy costs a call of the system. */
const WORDS = 64

/** Gives 32 bits at a time that nobody can guess; `entropy` fills in such bytes. */
export function randomWords(entropy: (out: Uint8Array) => void): () => number {
  const words = new Int32Array(WORDS)
  let left = 0
  return () => {
    if (left === 0) {
      entropy(new Uint8Array(words.buffer))
      left = WORDS
    }
    return words[--left]!
  }
}
