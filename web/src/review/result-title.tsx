import { Title } from '@mantine/core'
import { useResultFocus } from '../focus/result-focus'

/** The title of what appears as the result of what a person did. */
export function ResultTitle({ order = 2, children }: { order?: 1 | 2; children: string }) {
  const focus = useResultFocus<HTMLHeadingElement>()
  return (
    <Title order={order} {...focus}>
      {children}
    </Title>
  )
}
