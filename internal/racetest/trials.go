//go:build !races

package racetest

// Trials is how often a test runs a race: few times, to be fast. With the build
// tag races, hundreds of times.
const Trials = 20
