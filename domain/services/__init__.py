"""The use cases, in the product's verbs. Every one authorises first."""
