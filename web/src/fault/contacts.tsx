import { Anchor, List } from '@mantine/core'
import { useTranslation } from 'react-i18next'
import { MailIcon } from '../theme/icons'
import type { Contact } from './fault'

export function Contacts({ contacts }: { contacts: Contact[] }) {
  const { t } = useTranslation()
  return (
    <List size="sm" icon={<MailIcon />} aria-label={t('fault.contacts')}>
      {contacts.map(({ name, email }) => (
        <List.Item key={`${name} ${email}`}>
          {name}
          {/* Without an address nobody can write to the person: it belongs to somebody else by now. */}
          {email && (
            <>
              {' · '}
              <Anchor href={`mailto:${email}`} size="sm" underline="always">
                {email}
              </Anchor>
            </>
          )}
        </List.Item>
      ))}
    </List>
  )
}
