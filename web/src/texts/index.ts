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

/** The key in localStorage of the language that the person chose. */
const languageKey = 'datahub:language'

/** Loads the texts in the person's language: the one they chose here, else the browser's first that is supported. */
export async function initTexts() {
  const supported = (code: string | null) => languages.find((language) => language.code === code)?.code
  const preferred = [localStorage.getItem(languageKey), ...navigator.languages.map((tag) => tag.split('-')[0])]
  const texts = createInstance()
  texts.on('languageChanged', (language) => localStorage.setItem(languageKey, language))
  await texts.use(initReactI18next).init({
    lng: preferred.map(supported).find(Boolean) ?? 'en',
    fallbackLng: 'en',
    resources: { en: { translation: en }, de: { translation: de }, fr: { translation: fr } },
    interpolation: { escapeValue: false }, // React escapes
  })
}
