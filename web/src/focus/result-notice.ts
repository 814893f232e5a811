import { notifications } from '@mantine/notifications'
import { useTranslation } from 'react-i18next'

/** Returns a function that shows and reads out what a person has done, for some seconds. */
export function useResultNotice() {
  const { t } = useTranslation()
  return (message: string) =>
    notifications.show({ color: 'green', message, closeButtonProps: { 'aria-label': t('outcome.close') } })
}
