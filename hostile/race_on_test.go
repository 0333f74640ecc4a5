//go:build race

package main

// raceDetector says that the tests look for data races.
const raceDetector = true
