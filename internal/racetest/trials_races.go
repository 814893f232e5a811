//go:build races

package racetest

// Trials is how often a test runs a race.
const Trials = 300
