//go:build !race

package proxy

// raceDetector makes pools forget and memory grow.
const raceDetector = false
