"""How near generators come to what the machine allows: rooflines, ceilings, speed against error."""
