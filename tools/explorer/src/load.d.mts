/** A place in a source, by the end of its path, and what is to stand there instead. */
export interface SourceDefect {
  readonly file: string
  readonly from: string
  readonly to: string
}

/** The modules of the explorer's `index.ts`, with all private fields made plain; defects are put into the sources. */
export function load(defects?: readonly SourceDefect[]): Promise<unknown>
