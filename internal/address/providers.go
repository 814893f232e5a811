package address

import "strings"

// providers are the mail providers that people mistype most. Of providers with the
// same name the most common comes first. Providers with names of two letters are left
// out, because too many other domains are one edit away from them.
var providers = []string{
	"gmail.com", "googlemail.com",
	"outlook.com", "outlook.de", "outlook.fr", "outlook.es", "outlook.it",
	"hotmail.com", "hotmail.co.uk", "hotmail.de", "hotmail.fr", "hotmail.ch", "hotmail.it", "hotmail.es", "hotmail.be", "hotmail.nl", "hotmail.se",
	"live.com", "live.de", "live.fr", "live.co.uk", "live.nl", "live.be", "live.it",
	"msn.com",
	"yahoo.com", "yahoo.co.uk", "yahoo.de", "yahoo.fr", "yahoo.it", "yahoo.es", "yahoo.be", "yahoo.ca", "yahoo.co.in", "yahoo.co.jp", "yahoo.com.br",
	"ymail.com", "rocketmail.com",
	"icloud.com", "mac.com",
	"aol.com", "mail.com", "email.com", "zoho.com", "fastmail.com",
	"proton.me", "protonmail.com", "protonmail.ch", "tutanota.com",
	"gmx.net", "gmx.de", "gmx.ch", "gmx.at", "gmx.com",
	"web.de", "t-online.de", "freenet.de", "arcor.de", "posteo.de", "mailbox.org",
	"bluewin.ch", "sunrise.ch", "hispeed.ch",
	"orange.fr", "wanadoo.fr", "free.fr", "sfr.fr", "laposte.net",
	"yandex.ru", "mail.ru", "163.com", "126.com",
}

// providerDomains are the providers, with negative frequencies: every domain that was
// seen in an address comes before them.
var providerDomains = func() *Domains {
	frequencies := make(map[string]int, len(providers))
	for i, provider := range providers {
		frequencies[provider] = -1 - i
	}
	return NewDomains(frequencies)
}()

// withTopLevel completes the name of a provider: ada@gmail.
func withTopLevel(s string) string {
	return withProviderDomain(s, func(domain, provider string) bool {
		name, _, _ := strings.Cut(provider, ".")
		return domain == name
	})
}

// withProvider corrects one edit in the domain of a provider.
func withProvider(s string) string {
	return withProviderDomain(s, func(domain, provider string) bool { return !isReal(domain) && isSlip(domain, provider) })
}

// withProviderDomain replaces the domain of an address by the first provider that
// matches it.
func withProviderDomain(s string, matches func(domain, provider string) bool) string {
	local, domain, found := cutLast(s, "@")
	if !found {
		return s
	}
	domain = strings.ToLower(domain)
	for _, provider := range providers {
		if matches(domain, provider) {
			return local + "@" + provider
		}
	}
	return s
}
