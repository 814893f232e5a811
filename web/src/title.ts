import { useEffect } from 'react'

/** What the tab says. */
export function useTitle(title: string) {
  useEffect(() => {
    document.title = `${title} · DataHub`
  }, [title])
}
