const focusable = 'a[href], button:not(:disabled), input:not(:disabled), textarea:not(:disabled), [tabindex="0"]'

/** What is known about the focused element while it is there, to find another one when it is not. */
type Trail = {
  element: HTMLElement
  ancestors: HTMLElement[]
  /** The item of a list that the element is in, the items after it, and those before it from the nearest one. */
  item?: HTMLElement
  others: HTMLElement[]
  /** Which one of the item's focusable elements it is. */
  position: number
}

/**
 * Keeps the focus where the person is. A browser moves it to the document when the
 * focused element is removed or disabled, as many are by what they do. This moves it
 * to the same element once it is enabled again, else to the item that took its
 * place, else to what the nearest part of the page offers: an element with
 * `data-focus-home`, or its heading. Returns what ends it.
 */
export function keepFocus(): () => void {
  let trail: Trail | undefined
  const onFocus = ({ target }: FocusEvent) => {
    trail = target instanceof HTMLElement && target !== document.body ? trailOf(target) : undefined
  }
  // A click beside everything takes the focus away; a click on a button moves it there afterwards.
  const onPointerDown = () => {
    trail = undefined
  }
  const observer = new MutationObserver(() => {
    if (!trail || (document.activeElement && document.activeElement !== document.body)) return
    if (trail.element.isConnected && trail.element.matches(':disabled')) return // until it is enabled or removed
    const heir = heirOf(trail)
    if (!heir.matches(focusable)) heir.tabIndex = -1
    heir.focus({ preventScroll: isVisible(heir) })
  })
  document.addEventListener('focusin', onFocus)
  document.addEventListener('pointerdown', onPointerDown)
  observer.observe(document.body, { subtree: true, childList: true, attributeFilter: ['disabled'] })
  return () => {
    document.removeEventListener('focusin', onFocus)
    document.removeEventListener('pointerdown', onPointerDown)
    observer.disconnect()
  }
}

function trailOf(element: HTMLElement): Trail {
  const ancestors: HTMLElement[] = []
  for (let each = element.parentElement; each && each !== document.body; each = each.parentElement) ancestors.push(each)
  const item = element.closest<HTMLElement>('li, article') ?? undefined
  const siblings = [...(item?.parentElement?.children ?? [])] as HTMLElement[]
  const index = item ? siblings.indexOf(item) : 0
  const others = [...siblings.slice(index + 1), ...siblings.slice(0, index).reverse()]
  return { element, ancestors, item, others, position: item ? focusablesOf(item).indexOf(element) : 0 }
}

function heirOf({ element, ancestors, item, others, position }: Trail): HTMLElement {
  if (element.isConnected) return element
  if (item?.isConnected) return item
  const next = others.find(({ isConnected }) => isConnected)
  // The next article is read, not answered by a second press of the same key.
  if (next?.matches('article')) return next
  if (next) return focusablesOf(next)[position] ?? focusablesOf(next)[0] ?? next
  for (const ancestor of ancestors.filter(({ isConnected }) => isConnected)) {
    const home = ancestor.querySelector<HTMLElement>('[data-focus-home]:not(:disabled)')
    const heir = home ?? ancestor.querySelector<HTMLElement>('h1, h2, h3')
    if (heir) return heir
  }
  return document.querySelector<HTMLElement>('main h1') ?? document.getElementById('content') ?? document.body
}

const focusablesOf = (element: HTMLElement) => [...element.querySelectorAll<HTMLElement>(focusable)]

function isVisible(element: HTMLElement): boolean {
  const { top, bottom } = element.getBoundingClientRect()
  return top >= 0 && bottom <= window.innerHeight
}
