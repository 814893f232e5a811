package address

import (
	"strings"

	"golang.org/x/net/publicsuffix"
)

// realDomains exist, and are one edit away from a mail provider. They come from the
// list of the npm package email-providers 2.26.0 (ISC), without the typing errors that
// people have registered (gmial.com, hotmial.com), and from the web sites of their
// owners.
var realDomains = setOf(
	// Mail providers.
	"123.com", "amail.com", "cmail.com", "e-mail.com", "eastmail.com", "email.ru", "gotmail.com", "imail.ru",
	"lastmail.com", "love.com", "mail.nu", "tmail.com", "xmail.com", "zmail.ru", "zoho.in", "zoho.eu",
	"gmx.us", "gmx.eu", "gmx.org", "gmx.info", "gmx.biz",
	// Universities and companies.
	"mai.ru", "maik.ru", "gail.com", "cloud.com", "accor.de", "aon.com", "orange.com", "mic.com", "wel.de",
)

// countryBrands are the mail providers that have domains in many countries, such as
// outlook.at, yahoo.ie and live.se. Microsoft, Yahoo, GMX, AOL, Orange and the
// providers called "mail" have more of them than a list could keep up with.
var countryBrands = setOf("outlook", "hotmail", "live", "msn", "yahoo", "ymail", "gmx", "aol", "orange", "mail", "email", "free", "freenet", "yandex", "zoho", "wanadoo")

// mistypedCom are the country codes that are more often a mistyped .com.
var mistypedCom = setOf("co", "cm", "om")

func setOf(names ...string) map[string]bool {
	set := make(map[string]bool, len(names))
	for _, name := range names {
		set[name] = true
	}
	return set
}

// isReal reports whether a domain is known to be no typing error, though it is close
// to a mail provider.
func isReal(domain string) bool {
	if realDomains[domain] {
		return true
	}
	brand, suffix, _ := strings.Cut(domain, ".")
	return countryBrands[brand] && !mistypedCom[suffix] && isCountrySuffix(suffix)
}

// isCountrySuffix reports whether the registry of a country has a public suffix, such
// as "at" or "co.nz" (the Public Suffix List's ICANN section). Only top levels of two
// letters are those of countries.
func isCountrySuffix(suffix string) bool {
	return len(suffix[strings.LastIndexByte(suffix, '.')+1:]) == 2 && isPublicSuffix(suffix)
}

// isPublicSuffix reports whether people register domains directly below a suffix.
func isPublicSuffix(suffix string) bool {
	found, icann := publicsuffix.PublicSuffix("domain." + suffix)
	return icann && found == suffix
}

// isTopLevel reports whether a label is a top-level domain that exists, or one that is
// reserved for examples (RFC 2606 section 2).
func isTopLevel(label string) bool {
	switch label = strings.ToLower(label); label {
	case "example", "test", "invalid":
		return true
	default:
		return label != "" && isPublicSuffix(label)
	}
}

// maxShortName is the length of a provider's name that is so short that another letter
// in it often makes another domain: aon.com is not aol.com, and mai.ru is not mail.ru.
const maxShortName = 4

// isSlip reports whether a domain is probably a provider's, mistyped by one edit. In a
// short name only a repeated character or two swapped ones are a slip.
func isSlip(domain, provider string) bool {
	if !isOneEdit(domain, provider) {
		return false
	}
	name, suffix, _ := strings.Cut(provider, ".")
	typed, typedSuffix, _ := strings.Cut(domain, ".")
	if len(name) > maxShortName || suffix != typedSuffix {
		return true
	}
	a, b := withoutCommonEnds(typed, name)
	switch {
	case len(a) == 2 && len(b) == 2:
		return true
	case len(a) == 1 && b == "":
		return withoutRuns(typed, rune(a[0])) == withoutRuns(name, rune(a[0]))
	default:
		return false
	}
}
