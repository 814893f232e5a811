import { type CSSVariablesResolver, createTheme } from '@mantine/core'

/** The colours of badges and messages. */
const lightColors = ['sea', 'red', 'yellow', 'green', 'gray']

export const theme = createTheme({
  respectReducedMotion: true,
  primaryColor: 'sea',
  primaryShade: { light: 8, dark: 8 },
  colors: {
    sea: ['#ecf6f9', '#d9ecf2', '#b0d8e5', '#84c3d8', '#62b1cc', '#4ca6c5', '#3e9fc0', '#2f8aaa', '#1f6f8b', '#155a72'],
  },
  fontFamily: 'system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif',
  defaultRadius: 'md',
  headings: {
    fontWeight: '650',
    sizes: { h1: { fontSize: '1.75rem' }, h2: { fontSize: '1.25rem' }, h3: { fontSize: '1.05rem' } },
  },
  components: {
    Badge: { defaultProps: { tt: 'none', fw: 600 }, styles: { root: { flex: 'none' } } },
    // A label that does not fit is wrapped, not cut off.
    Button: {
      styles: {
        root: {
          display: 'inline-flex',
          alignItems: 'center',
          height: 'auto',
          minHeight: 'var(--button-height)',
          maxWidth: '100%',
          paddingBlock: 4,
        },
        label: { whiteSpace: 'normal', overflowWrap: 'anywhere', height: 'auto', overflow: 'visible' },
      },
    },
    Anchor: { defaultProps: { underline: 'always' } },
  },
})

/** Replaces those of Mantine's colours that have too little contrast (WCAG 2.2, 1.4.3). */
export const cssVariablesResolver: CSSVariablesResolver = () => ({
  variables: {},
  light: {
    '--mantine-color-dimmed': '#59636e',
    '--mantine-color-anchor': '#17627c',
    '--mantine-color-error': '#b42323',
    '--mantine-color-placeholder': '#6a747f',
    '--mantine-color-yellow-light': '#fff5da',
    '--mantine-color-sea-light-color': '#124f65',
    '--mantine-color-red-light-color': '#9c1c1c',
    '--mantine-color-yellow-light-color': '#6b4700',
    '--mantine-color-green-light-color': '#1b5e2c',
    '--mantine-color-gray-light-color': '#434b53',
  },
  dark: {
    '--mantine-color-dimmed': '#a9b1b9',
    '--mantine-color-error': '#ff9c9c',
    '--mantine-color-placeholder': '#98a1a9',
    ...Object.fromEntries(
      lightColors.map((name) => [`--mantine-color-${name}-light-color`, `var(--mantine-color-${name}-2)`]),
    ),
  },
})
