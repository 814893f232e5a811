import { useQuery } from '@apollo/client/react'
import {
  Anchor,
  AppShell,
  Avatar,
  Badge,
  Button,
  Container,
  Group,
  Menu,
  Text,
  UnstyledButton,
  useMantineColorScheme,
  VisuallyHidden,
} from '@mantine/core'
import { type ReactNode, useEffect } from 'react'
import { useTranslation } from 'react-i18next'
import { Link, NavLink } from 'react-router'
import { useLine } from './gateway/line'
import { graphql } from './generated'
import { DownIcon, OfflineIcon } from './look/icons'
import { useRequestChanges } from './requests/request'
import { useSession } from './session/session'
import { languages } from './texts'

const Waiting = graphql(`
  query Waiting {
    viewer {
      id
      name
      requestsToAnswer(first: 1) {
        totalCount
      }
    }
  }
`)

/** What stands around every page: where one can go, who one is, and whether the line is up. */
export function Shell({ children }: { children: ReactNode }) {
  const { t, i18n } = useTranslation()
  const { account } = useSession()
  useEffect(() => {
    document.documentElement.lang = i18n.language
  }, [i18n.language])
  return (
    <AppShell header={{ height: 60 }} padding="md">
      <a
        className="skip"
        href="#content"
        onClick={(event) => {
          event.preventDefault()
          document.getElementById('content')?.focus()
        }}
      >
        {t('shell.skip')}
      </a>
      <AppShell.Header px="md">
        <Container size={880} h="100%" px={0}>
          <Group h="100%" justify="space-between" wrap="nowrap" gap="xs">
            <Group gap="md" wrap="nowrap">
              <Anchor component={Link} to="/" underline="never" c="inherit" aria-label="DataHub" className="brand">
                <img src={`${import.meta.env.BASE_URL}icon.svg`} alt="" width={28} height={28} />
                <Text component="span" fw={700} visibleFrom="xs">
                  DataHub
                </Text>
              </Anchor>
              {account && <Navigation />}
            </Group>
            <Settings />
          </Group>
        </Container>
      </AppShell.Header>
      <AppShell.Main>
        <LineBanner />
        <Container size={880} px={0} py="lg" id="content" tabIndex={-1}>
          {children}
        </Container>
      </AppShell.Main>
    </AppShell>
  )
}

function Navigation() {
  const { t } = useTranslation()
  useRequestChanges()
  const { data } = useQuery(Waiting)
  const count = data?.viewer.requestsToAnswer?.totalCount ?? 0
  return (
    <Group component="nav" gap={4} wrap="nowrap" aria-label={t('shell.navigation')}>
      <NavLink to="/" end className="tab">
        {t('spaces.title')}
      </NavLink>
      <NavLink to="/requests" className="tab">
        {t('requests.title')}
        {count > 0 && (
          <Badge size="sm" circle={count < 10} aria-label={t('shell.waiting', { count })} role="img">
            {count}
          </Badge>
        )}
      </NavLink>
    </Group>
  )
}

function Settings() {
  const { t, i18n } = useTranslation()
  const { account, signOut } = useSession()
  const { colorScheme, setColorScheme } = useMantineColorScheme()
  return (
    <Menu position="bottom-end" width={240} withInitialFocusPlaceholder={false}>
      <Menu.Target>
        {account ? (
          <UnstyledButton className="tab">
            <VisuallyHidden>{t('shell.menu', { name: account.name })}</VisuallyHidden>
            <Avatar name={account.name} size={28} color="sea" variant="filled" aria-hidden />
            <DownIcon size={14} />
          </UnstyledButton>
        ) : (
          <Button variant="subtle" color="gray" rightSection={<DownIcon size={14} />}>
            {languages.find(({ code }) => code === i18n.language)?.name}
          </Button>
        )}
      </Menu.Target>
      <Menu.Dropdown>
        {account && (
          <>
            <Menu.Label>{account.email}</Menu.Label>
            <Menu.Item onClick={signOut}>{t('shell.signOut')}</Menu.Item>
            <Menu.Divider />
          </>
        )}
        <Menu.Label>{t('shell.language')}</Menu.Label>
        {languages.map(({ code, name }) => (
          <Menu.Item
            key={code}
            lang={code}
            aria-current={code === i18n.language || undefined}
            fw={code === i18n.language ? 700 : undefined}
            onClick={() => void i18n.changeLanguage(code)}
          >
            {name}
          </Menu.Item>
        ))}
        <Menu.Divider />
        <Menu.Label>{t('shell.look')}</Menu.Label>
        {(['auto', 'light', 'dark'] as const).map((each) => (
          <Menu.Item
            key={each}
            aria-current={each === colorScheme || undefined}
            fw={each === colorScheme ? 700 : undefined}
            onClick={() => setColorScheme(each)}
          >
            {t(`shell.scheme.${each}`)}
          </Menu.Item>
        ))}
      </Menu.Dropdown>
    </Menu>
  )
}

function LineBanner() {
  const { t } = useTranslation()
  const line = useLine()
  return (
    <div role="status" className="line">
      {line !== 'up' && (
        <Container size={880} px="md" py={10} className="banner">
          <Group gap="sm" wrap="nowrap">
            <OfflineIcon />
            <Text size="sm">{t(`shell.line.${line}`)}</Text>
          </Group>
        </Container>
      )}
    </div>
  )
}
