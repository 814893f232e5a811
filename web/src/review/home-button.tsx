import { Button } from '@mantine/core'
import { useTranslation } from 'react-i18next'
import { Link } from 'react-router'

/** Leads from an invitation to the first page. */
export function HomeButton({ variant }: { variant?: 'default' | 'filled' }) {
  const { t } = useTranslation()
  return (
    <Button component={Link} to="/" variant={variant}>
      {t('review.home')}
    </Button>
  )
}
