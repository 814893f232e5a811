import { createInstance } from 'i18next'
import { initReactI18next } from 'react-i18next'
import { de } from './de'
import { en } from './en'
import { fr } from './fr'

export const languages = [
  { code: 'en', name: 'English' },
  { code: 'de', name: 'Deutsch' },
  { code: 'fr', name: 'Français' },
]

const stored = 'datahub:language'

/** Chooses the language: the one chosen here before, else the first of the browser's that there is. */
export async function speak() {
  const there = (code: string | null) => languages.find((each) => each.code === code)?.code
  const lng =
    there(localStorage.getItem(stored)) ??
    navigator.languages.map((tag) => there(tag.split('-')[0])).find(Boolean) ??
    'en'
  const texts = createInstance()
  texts.on('languageChanged', (language) => localStorage.setItem(stored, language))
  await texts.use(initReactI18next).init({
    lng,
    fallbackLng: 'en',
    resources: { en: { translation: en }, de: { translation: de }, fr: { translation: fr } },
    interpolation: { escapeValue: false },
  })
}
