/** How far the gateway's clock is ahead of this one, in milliseconds, according to the latest answer's Date header. */
let offset = 0

/** A Date header has whole seconds and the answer takes a moment: smaller differences mean nothing. Milliseconds. */
const tolerance = 2_000

/** The gateway's clock. Deadlines count by it, not by the clock of this computer. */
export const clock = {
  now: () => Date.now() + offset,
  /** Sets the clock by an answer of the gateway. */
  synchronize(response: Response) {
    const difference = Date.parse(response.headers.get('Date') ?? '') - Date.now()
    if (Math.abs(difference) > tolerance) offset = difference
  },
}
