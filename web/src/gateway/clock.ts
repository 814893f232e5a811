// How far the gateway's clock is ahead of this one, in milliseconds, as the last
// answer's Date says: deadlines are the gateway's.
let ahead = 0

export const clock = {
  now: () => Date.now() + ahead,
  read(response: Response) {
    const date = Date.parse(response.headers.get('Date') ?? '')
    if (!Number.isNaN(date) && Math.abs(date - Date.now()) > 2_000) ahead = date - Date.now()
    return response
  },
}
