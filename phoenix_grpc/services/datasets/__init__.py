"""DatasetsService: datasets, versions, examples, splits, labels, uploads and downloads."""
