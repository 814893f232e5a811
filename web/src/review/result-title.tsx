import { Title } from '@mantine/core'
import { useResultFocus } from '../focus/result-focus'

/** The title of what appears as the result of what a person did. */
export function ResultTitle({ order = 2, id, children }: { order?: 1 | 2 | 3; id?: string; children: string }) {
  const focus = useResultFocus<HTMLHeadingElement>()
  return (
    <Title order={order} id={id} {...focus}>
      {children}
    </Title>
  )
}
