"""What a method may be: any, one that follows a flow, one on a Gaussian path, one between two given laws."""
