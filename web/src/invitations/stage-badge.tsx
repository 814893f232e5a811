import { Badge } from '@mantine/core'
import { useTranslation } from 'react-i18next'
import { type Stage, stageColors } from './invitation'

export function StageBadge({ stage }: { stage: Stage }) {
  const { t } = useTranslation()
  return (
    <Badge variant="light" color={stageColors[stage]} data-stage={stage}>
      {t(`stage.${stage}`)}
    </Badge>
  )
}
