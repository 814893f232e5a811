import { MantineProvider } from '@mantine/core'
import { Notifications } from '@mantine/notifications'
import type { ReactNode } from 'react'
import { BrowserRouter, Navigate, Route, Routes } from 'react-router'
import { InstancePage } from './instance/instance-page'
import { resolver, theme } from './look/theme'
import { RequestsPage } from './requests/requests-page'
import { ReviewPage } from './review/review-page'
import type { SignIn as SignInKind } from './session/configuration'
import { SessionProvider, useSession } from './session/session'
import { SignIn } from './session/sign-in'
import { Shell } from './shell'
import { SpacesPage } from './spaces/spaces'

export function App({ signIn }: { signIn: SignInKind }) {
  return (
    <MantineProvider theme={theme} cssVariablesResolver={resolver} defaultColorScheme="auto">
      <Notifications position="bottom-center" />
      <BrowserRouter basename={import.meta.env.BASE_URL}>
        <SessionProvider signIn={signIn}>
          <Shell>
            <Routes>
              <Route path="/invitation" element={<ReviewPage />} />
              <Route
                path="/"
                element={
                  <Signed>
                    <SpacesPage />
                  </Signed>
                }
              />
              <Route
                path="/instance/:id"
                element={
                  <Signed>
                    <InstancePage />
                  </Signed>
                }
              />
              <Route
                path="/requests"
                element={
                  <Signed>
                    <RequestsPage />
                  </Signed>
                }
              />
              <Route
                path="/request"
                element={
                  <Signed>
                    <RequestsPage />
                  </Signed>
                }
              />
              <Route path="/callback" element={null} />
              <Route path="*" element={<Navigate to="/" replace />} />
            </Routes>
          </Shell>
        </SessionProvider>
      </BrowserRouter>
    </MantineProvider>
  )
}

/** For people who are signed in; others sign in first, right here. */
function Signed({ children }: { children: ReactNode }) {
  const { account } = useSession()
  return account ? <div key={account.email}>{children}</div> : <SignIn />
}
