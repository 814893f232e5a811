import { MantineProvider } from '@mantine/core'
import { Notifications } from '@mantine/notifications'
import { BrowserRouter, Navigate, Outlet, Route, Routes, useLocation } from 'react-router'
import { InstancePage } from './instance/instance-page'
import { JoinPage } from './join/join-page'
import { RequestsPage } from './requests/requests-page'
import { repairedPath } from './review/link'
import { ReviewPage } from './review/review-page'
import type { SignInMethod } from './session/configuration'
import { SessionProvider, useSession } from './session/session'
import { SignIn } from './session/sign-in'
import { Shell } from './shell'
import { SpacesPage } from './spaces/spaces-page'
import { cssVariablesResolver, theme } from './theme/theme'

export function App({ signInMethod }: { signInMethod: SignInMethod }) {
  return (
    <MantineProvider theme={theme} cssVariablesResolver={cssVariablesResolver} defaultColorScheme="auto">
      <Notifications position="bottom-center" />
      <BrowserRouter basename={import.meta.env.BASE_URL}>
        <SessionProvider signInMethod={signInMethod}>
          <Shell>
            <Routes>
              <Route path="/invitation" element={<ReviewPage />} />
              <Route path="/join" element={<JoinPage />} />
              <Route element={<SignedIn />}>
                <Route path="/" element={<SpacesPage />} />
                <Route path="/instance/:id" element={<InstancePage />} />
                <Route path="/requests" element={<RequestsPage />} />
                <Route path="/request" element={<RequestsPage />} />
              </Route>
              <Route path="/callback" element={null} />
              <Route path="*" element={<UnknownPath />} />
            </Routes>
          </Shell>
        </SessionProvider>
      </BrowserRouter>
    </MantineProvider>
  )
}

/** The pages that need an account. The key forgets the state of a page when another person signs in. */
function SignedIn() {
  const { account } = useSession()
  return account ? (
    <div key={account.id}>
      <Outlet />
    </div>
  ) : (
    <SignIn />
  )
}

/** A link that a mail program has changed leads to its page, any other path to the first page. */
function UnknownPath() {
  return <Navigate to={repairedPath(useLocation()) ?? '/'} replace />
}
