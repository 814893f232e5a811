import assert from 'node:assert/strict'
import { after, afterEach, before, test } from 'node:test'
import { barriers, shoot, world } from './world.mjs'

let w
before(async () => { w = await world() })
after(() => w?.end())
afterEach(() => w.quiet())

const open = async (tab, name) => {
  await tab.getByRole('link', { name, exact: true }).click()
  await tab.getByRole('heading', { level: 1, name }).waitFor()
}
const field = (tab) => tab.getByRole('textbox', { name: 'E-mail addresses' })
const card = (tab, title) => tab.getByRole('article', { name: title })

test('somebody is chosen, and one is where one was', async () => {
  const tab = await w.visit(undefined, { path: 'requests' })
  await tab.getByRole('heading', { name: 'Sign in' }).waitFor()
  await shoot(tab, 'sign-in')
  assert.deepEqual(await barriers(tab), [])
  await tab.getByRole('button', { name: /^Ada/ }).click()
  await tab.getByRole('heading', { level: 1, name: 'Requests' }).waitFor()
  await tab.reload()
  await tab.getByRole('heading', { level: 1, name: 'Requests' }).waitFor()
  await tab.getByRole('button', { name: /Account and settings/ }).click()
  await tab.getByRole('menuitem', { name: 'Sign out' }).click()
  await tab.getByRole('heading', { name: 'Sign in' }).waitFor()
})

test('who may not invite asks, and is answered in another browser', async () => {
  const [vic, ada] = [await w.visit('Vic'), await w.visit('Ada', { path: 'requests' })]
  await open(vic, 'Group 1')
  await vic.getByText('You do not have the permission').waitFor()
  assert.equal(await vic.getByRole('link', { name: 'ada@uni.example' }).getAttribute('href'), 'mailto:ada@uni.example')
  await field(vic).fill('friend@new.example, other@new.example,')
  await vic.getByRole('textbox', { name: /Message/ }).fill('They work with us.')
  await shoot(vic, 'asking')
  assert.deepEqual(await barriers(vic), [])
  await vic.getByRole('button', { name: 'Ask to invite 2 people' }).click()
  await vic.getByRole('heading', { name: 'The administrators were asked' }).waitFor()
  await vic.getByRole('link', { name: 'See your requests' }).click()
  const own = card(vic, 'To invite 2 people to Group 1 as Viewer')
  await own.getByText('Open', { exact: true }).waitFor()

  const asked = card(ada, 'Vic asks you to invite 2 people to Group 1 as Viewer')
  await asked.waitFor()
  await asked.getByRole('checkbox', { name: 'other@new.example' }).uncheck()
  await asked.getByRole('textbox').fill('One of them is here already.')
  await shoot(ada, 'inbox')
  assert.deepEqual(await barriers(ada), [])
  await asked.getByRole('button', { name: 'Invite one person' }).click()
  await own.getByText('Approved by Ada').waitFor()
  await own.getByText('One of them is here already.').waitFor()
  await asked.waitFor({ state: 'detached' })
  await shoot(vic, 'own-requests')
  await w.mail('friend@new.example')
  assert.equal((await w.mails('other@new.example')).length, 0)
})

test('the administrator role is asked for, and the request withdrawn; the link of the mail opens it', async () => {
  const [vic, ada] = [await w.visit('Vic'), await w.visit('Ada')]
  await open(vic, 'Group 1')
  await vic.getByRole('button', { name: 'Ask to become an administrator' }).click()
  await vic.getByRole('textbox', { name: 'A few words (optional)' }).fill('I run the course now.')
  await vic.getByRole('button', { name: 'Send the request' }).click()
  await vic.getByText('They were asked.').waitFor()
  const { link } = await w.mail('ada@uni.example')
  assert.match(link, /\/app\/request#request_/)
  await ada.goto(w.origin + new URL(link).pathname + new URL(link).hash)
  const asked = card(ada, /Vic asks to become Administrator/)
  await asked.waitFor()
  assert.equal(await asked.getAttribute('class').then((name) => name.includes('chosen')), true)
  await vic.getByRole('link', { name: 'See your requests' }).click()
  await card(vic, /To become Administrator/).getByRole('button', { name: 'Withdraw the request' }).click()
  await card(vic, /To become Administrator/).getByText('Withdrawn').waitFor()
  await ada.getByText('Withdrawn').waitFor()
})

test('a deleted instance is asked for, and restored; the clock runs', async () => {
  const [vic, ed] = [await w.visit('Vic'), await w.visit('Ed')]
  await open(vic, 'Group 2')
  const clock = vic.getByRole('timer')
  const first = await clock.innerText()
  assert.match(first, /^2[12]:\d\d:\d\d$/)
  await vic.waitForFunction((first) => document.querySelector('[role=timer]').innerText !== first, first)
  await vic.getByRole('button', { name: 'Ask for it to be restored' }).click()
  await vic.getByRole('button', { name: 'Send the request' }).click()
  await vic.getByText('They were asked.').waitFor()
  await shoot(vic, 'restore-asked')
  assert.deepEqual(await barriers(vic), [])

  await ed.getByRole('link', { name: /Requests/ }).click()
  await card(ed, 'Vic asks you to restore Group 2').waitFor()
  await ed.getByRole('link', { name: 'Spaces' }).click()
  await ed.getByRole('heading', { level: 1, name: 'Spaces' }).waitFor()
  await open(ed, 'Group 2')
  await shoot(ed, 'restore')
  assert.deepEqual(await barriers(ed), [])
  await ed.getByRole('button', { name: 'Restore', exact: true }).click()
  await ed.getByText('Group 2 is back').waitFor()
  await ed.getByRole('timer').waitFor({ state: 'detached' })
  const tab = await w.visit('Ed')
  await open(tab, 'Group 3')
  await tab.getByText('The 24 hours in which it could be restored are over').waitFor()
  await shoot(tab, 'restore-late')
  assert.deepEqual(await barriers(tab), [])
})

test('from the mail to the membership', async () => {
  const group = (await w.ask('Ada', '{ viewer { spaces { nodes { instances { nodes { id name } } } } } }'))
    .viewer.spaces.nodes[0].instances.nodes.find(({ name }) => name === 'Group 1').id
  await w.ask('Ada', `mutation { inviteUsers(input: {instanceId: "${group}", role: EDITOR, emails: ["zoe@new.example", "no@new.example"], message: "Welcome!\\nAda"}) { results { outcome } } }`)
  const path = async (email) => { const { pathname, hash } = new URL((await w.mail(email)).link); return (pathname + hash).replace('/app/', '') }
  const link = await path('zoe@new.example')

  const tab = await w.visit(undefined, { path: link })
  await tab.getByRole('heading', { name: 'Ada invites you to Group 1' }).waitFor()
  await shoot(tab, 'review-signed-out')
  assert.deepEqual(await barriers(tab), [])
  await tab.getByRole('button', { name: 'Sign in to accept' }).click()
  await tab.getByRole('button', { name: /^Sam/ }).click()
  await tab.getByText('This invitation is for another account').waitFor()
  await tab.getByText('you are signed in as sam@uni.example').waitFor()
  await shoot(tab, 'review-other-account')
  assert.deepEqual(await barriers(tab), [])
  await tab.getByRole('button', { name: 'Sign in with the other account' }).click()
  await tab.getByRole('button', { name: 'Somebody else, with a token' }).click()
  await tab.getByRole('textbox', { name: 'Token' }).fill(await w.tokenOf('zoe@new.example'))
  await tab.getByRole('button', { name: 'Sign in', exact: true }).click()
  await tab.getByRole('button', { name: 'Accept' }).waitFor()
  await shoot(tab, 'review')
  assert.deepEqual(await barriers(tab), [])
  await tab.getByRole('button', { name: 'Accept' }).click()
  await tab.getByRole('heading', { name: 'Welcome! You are in.' }).waitFor()
  await tab.getByRole('link', { name: 'Open Group 1' }).click()
  await tab.getByRole('heading', { level: 1, name: 'Group 1' }).waitFor()

  // The same link again, of an invitation that is accepted; and no link at all.
  await tab.goto(`${w.origin}/app/${link}`)
  await tab.getByText('You have accepted this invitation already').waitFor()
  const stranger = await w.visit(undefined, { path: link })
  await stranger.getByRole('heading', { name: 'This link leads to no invitation' }).waitFor()
  await shoot(stranger, 'review-nothing')
  assert.deepEqual(await barriers(stranger), [])

  const declines = await w.visit(await w.tokenOf('no@new.example'), { path: '' })
  await declines.getByRole('link', { name: 'Review invitation' }).click()
  await declines.getByRole('button', { name: 'Decline' }).click()
  await declines.getByRole('heading', { name: 'You have declined' }).waitFor()
})

for (const [language, texts] of Object.entries({
  'en-GB': ['Spaces', 'Invite people', 'After the @, a dot cannot stand first or last, nor two in a row.'],
  'de-CH': ['Spaces', 'Personen einladen', 'Nach dem @ darf ein Punkt weder am Anfang noch am Ende noch doppelt stehen.'],
  'fr-CH': ['Espaces', 'Inviter des personnes', 'Après le @, un point ne peut être ni au début, ni à la fin, ni doublé.'],
}))
  test(`${language}: every screen on a phone, in light and dark, without barriers`, async () => {
    for (const scheme of ['light', 'dark']) {
      const tab = await w.visit('Ada', { language, scheme, width: 375, height: 720 })
      const look = async (name) => {
        assert.deepEqual(await barriers(tab), [], name)
        const wide = await tab.evaluate(() => document.documentElement.scrollWidth > innerWidth)
        assert.equal(wide, false, `${name} is wider than the phone`)
        await shoot(tab, `phone-${language.slice(0, 2)}-${scheme}-${name}`)
      }
      await tab.getByRole('heading', { level: 1, name: texts[0] }).waitFor()
      assert.equal(await tab.evaluate(() => document.documentElement.lang), language.slice(0, 2))
      await tab.getByRole('link', { name: 'Group 3' }).waitFor()
      await look('spaces')
      await open(tab, 'Group 1')
      await tab.getByRole('heading', { name: texts[1] }).waitFor()
      await tab.locator('form input[inputmode=email]').fill('myemail@.uni.edu.com, a.very.long.address.of.somebody@department.of.a.university.example, lee@gmial.com,')
      await tab.getByText(texts[2]).waitFor()
      await look('invite')
      for (const [name, place] of [['restore', 'Group 3'], ['distributed', 'Distributed']]) {
        await tab.goto(`${w.origin}/app/`)
        await open(tab, place)
        await tab.locator('[data-code]').first().waitFor()
        await look(name)
      }
      await tab.goto(`${w.origin}/app/requests`)
      await tab.getByRole('article').first().waitFor()
      await look('requests')
      await tab.getByRole('banner').getByRole('button').click()
      await tab.getByRole('menuitem', { name: 'Français' }).waitFor()
      await look('menu')
      await tab.goto(`${w.origin}/app/invitation#nothing`)
      await tab.getByRole('heading', { level: 1 }).waitFor()
      await look('review')
      await tab.context().close()
    }
  })
