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
import { type ReactNode, useEffect, useRef } from 'react'
import { useTranslation } from 'react-i18next'
import { Link, NavLink, useLocation } from 'react-router'
import { Announcer } from './focus/announcer'
import { keepFocus } from './focus/focus-keeper'
import { useConnection } from './gateway/connection'
import { graphql } from './generated'
import { useRequestChanges } from './requests/request'
import { useSession } from './session/session'
import { AccountProblem, SessionBanner } from './session/session-notice'
import { languages } from './texts'
import { useFormats } from './texts/formats'
import { DownIcon, OfflineIcon } from './theme/icons'

const RequestsToAnswer = graphql(`
  query RequestsToAnswer {
    viewer {
      id
      name
      requestsToAnswer(first: 1) {
        totalCount
      }
    }
  }
`)

/** What surrounds every page: navigation, account and settings, and a banner while the gateway cannot be reached. */
export function Shell({ children }: { children: ReactNode }) {
  const { t, i18n } = useTranslation()
  const { account, refusal } = useSession()
  useEffect(keepFocus, [])
  useFocusOnNewPage()
  useEffect(() => {
    document.documentElement.lang = i18n.language
  }, [i18n.language])
  return (
    <AppShell header={{ height: 60 }} padding="md">
      {/* biome-ignore lint/a11y/useValidAnchor: it is a link to a place on this page; the review page needs the URL's fragment */}
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
              {account && !refusal?.reason && <Navigation />}
            </Group>
            <SettingsMenu />
          </Group>
        </Container>
      </AppShell.Header>
      <AppShell.Main>
        <ConnectionBanner />
        <SessionBanner />
        <Announcer />
        <Container size={880} px={0} py="lg" id="content" tabIndex={-1}>
          {account && refusal?.reason ? <AccountProblem refusal={refusal} /> : children}
        </Container>
      </AppShell.Main>
    </AppShell>
  )
}

/** Moves the focus to the content when a link has led to another page. */
function useFocusOnNewPage() {
  const { pathname } = useLocation()
  const previous = useRef(pathname)
  useEffect(() => {
    if (previous.current === pathname) return
    previous.current = pathname
    document.getElementById('content')?.focus({ preventScroll: true })
    window.scrollTo(0, 0)
  }, [pathname])
}

function Navigation() {
  const { t } = useTranslation()
  useRequestChanges()
  const { data } = useQuery(RequestsToAnswer)
  const count = data?.viewer.requestsToAnswer?.totalCount ?? 0
  return (
    <Group component="nav" gap={4} wrap="nowrap" aria-label={t('shell.navigation')}>
      <NavLink to="/" end className="tab">
        {t('spaces.title')}
      </NavLink>
      <NavLink to="/requests" className="tab">
        {t('requests.title')}
        {count > 0 && (
          <Badge size="sm" circle={count < 10} aria-label={t('shell.toAnswer', { count })} role="img">
            {count}
          </Badge>
        )}
      </NavLink>
    </Group>
  )
}

function SettingsMenu() {
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
            <Menu.Label>{account.email || account.name}</Menu.Label>
            <Menu.Item onClick={signOut}>{t('shell.signOut')}</Menu.Item>
            <Menu.Divider />
          </>
        )}
        <Menu.Label>{t('shell.language')}</Menu.Label>
        {languages.map(({ code, name }) => (
          <Choice
            key={code}
            lang={code}
            current={code === i18n.language}
            onClick={() => void i18n.changeLanguage(code)}
          >
            {name}
          </Choice>
        ))}
        <Menu.Divider />
        <Menu.Label>{t('shell.appearance')}</Menu.Label>
        {(['auto', 'light', 'dark'] as const).map((scheme) => (
          <Choice key={scheme} current={scheme === colorScheme} onClick={() => setColorScheme(scheme)}>
            {t(`shell.scheme.${scheme}`)}
          </Choice>
        ))}
      </Menu.Dropdown>
    </Menu>
  )
}

type ChoiceProps = { current: boolean; lang?: string; onClick: () => void; children: ReactNode }

function Choice({ current, ...item }: ChoiceProps) {
  return <Menu.Item aria-current={current || undefined} fw={current ? 700 : undefined} {...item} />
}

function ConnectionBanner() {
  const { t } = useTranslation()
  const { duration } = useFormats()
  const connection = useConnection()
  return (
    <div role="status">
      {connection.state !== 'online' && (
        <Container size={880} px="md" py={10} className="banner">
          <Group gap="sm" wrap="nowrap">
            <OfflineIcon />
            <Text size="sm">
              {connection.state === 'busy'
                ? t('shell.connection.busy', { wait: duration(connection.wait) })
                : t(`shell.connection.${connection.state}`)}
            </Text>
          </Group>
        </Container>
      )}
    </div>
  )
}
