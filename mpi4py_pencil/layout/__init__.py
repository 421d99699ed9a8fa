"""Who has which part of an array: partitions, the grid's communicators, pencils, boxes, and blocks in memory."""
